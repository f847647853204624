//! `%pip install` lines, which are facts about the environment and no part of a step.

use super::options::split_words;

/// Requirements of an installing escape such as `%pip install x==1` or `!pip install x`.
///
/// `None` when it is something else, or asks for more than distributions by name (a file of requirements, a path, an
/// index of its own): such a line stays as it is.
pub(super) fn requirements(escape: &str) -> Option<Vec<String>> {
    let command = escape.trim_start_matches(['%', '!']);
    let words: Vec<String> = split_words(command).into_iter().map(|word| word.text).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let arguments = match words[..] {
        ["pip" | "pip3", "install", ref rest @ ..] => rest,
        ["python" | "python3" | "{sys.executable}", "-m", "pip", "install", ref rest @ ..] => rest,
        _ => return None,
    };
    let mut found = vec![];
    for argument in arguments {
        match *argument {
            "-q"
            | "-qq"
            | "-qqq"
            | "--quiet"
            | "-U"
            | "--upgrade"
            | "--user"
            | "--no-cache-dir"
            | "--pre"
            | "-y"
            | "--disable-pip-version-check"
            | "--no-warn-script-location"
            | "--break-system-packages"
            | "-v"
            | "--progress-bar=off"
            | "--root-user-action=ignore" => {}
            // What follows a comment sign, or throws the output away.
            text if text.starts_with('#') => break,
            ">/dev/null" | "2>/dev/null" | "2>&1" | "&>/dev/null" => {}
            text if is_requirement(text) => found.push(text.to_owned()),
            _ => return None,
        }
    }
    (!found.is_empty()).then_some(found)
}

/// `name`, `name[extra]`, `name==1.2`, `name>=1,<2`.
fn is_requirement(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = match rest.strip_prefix('[').map(|inner| inner.split_once(']')) {
        Some(Some((_, after))) => after,
        Some(None) => return false,
        None => rest,
    };
    let names_a_file = [".whl", ".tar.gz", ".zip", ".txt"].iter().any(|ending| name.ends_with(ending));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !names_a_file;
    let is_version = |c: char| c.is_ascii_alphanumeric() || ".*+!=<>~,-_".contains(c);
    is_name && (rest.is_empty() || (rest.starts_with(['=', '<', '>', '!', '~']) && rest.chars().all(is_version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_requirements_are_taken() {
        let check = |line: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(requirements(line), expected, "{line}");
        };
        check("%pip install -q pandas==2.1 'numpy>=1,<2'", Some(&["pandas==2.1", "numpy>=1,<2"]));
        check("!pip3 install --upgrade scikit-learn  # newest", Some(&["scikit-learn"]));
        check("!{sys.executable} -m pip install \"ray[tune]\"", Some(&["ray[tune]"]));
        check("%pip install -r requirements.txt", None);
        check("%pip install git+https://example.org/x.git", None);
        check("%pip install ./local", None);
        check("!pip install x && ls", None);
        check("%pip list", None);
        check("%pip install", None);
    }
}
