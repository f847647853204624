//! IPython's escapes: `%magic`, `!command`, `name?`.

use ruff_python_ast::IpyEscapeKind;
use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::facts::Resource;

impl<'a> Analyzer<'a> {
    pub fn escape_command(&mut self, kind: IpyEscapeKind, text: &str, range: TextRange) {
        self.frame().effects.calls = true;
        match kind {
            IpyEscapeKind::Help | IpyEscapeKind::Help2 => {
                // `f?` tells of the object.
                let name = words(text).next().map(|word| self.name(word));
                if let Some(name) = name.filter(|&name| self.module_binding(name).is_some()) {
                    self.read_variable(name, range);
                }
            }
            IpyEscapeKind::Shell | IpyEscapeKind::ShCap => self.shell_command(text, range),
            IpyEscapeKind::Magic | IpyEscapeKind::Magic2 => self.magic_line(text, range),
            IpyEscapeKind::Quote | IpyEscapeKind::Quote2 | IpyEscapeKind::Paren => {
                let name = text.split_whitespace().next().unwrap_or_default().to_owned();
                let callee = self.read(&name, range);
                self.unknown_call(Some(&callee), &Arguments::default(), range);
            }
        }
    }

    pub(super) fn shell_command(&mut self, text: &str, range: TextRange) {
        self.interpolate(text, range);
        if only_installs(text) {
            return;
        }
        self.touch(Resource::Subprocess, true, range);
        self.touch(Resource::AnyFile, true, range);
    }

    /// `{...}` and `$name` are expressions, in commands as in the lines of magics. A call among them may do anything with
    /// what they name, and what is loaded or shown may run code.
    fn interpolate(&mut self, text: &str, range: TextRange) {
        for Interpolated { expression, calls } in interpolated(text) {
            let mut named = vec![];
            for word in words(expression) {
                let name = self.name(word);
                if self.module_binding(name).is_some() {
                    named.push(self.read(word, range));
                }
            }
            if calls {
                self.unknown_call(None, &Arguments::of_values(&named), range);
            }
            for value in &named {
                self.operate(&[value], range);
                self.invoke_any_property(value, range);
            }
        }
    }

    pub(super) fn magic_line(&mut self, text: &str, range: TextRange) {
        let magic = text.split_whitespace().next().unwrap_or_default();
        self.interpolate(text, range);
        if matches!(magic, "cd" | "pushd" | "popd") {
            let path = text.split_whitespace().skip(1).find(|word| !word.starts_with('-'));
            let path = path.filter(|path| magic != "popd" && !path.contains(['{', '$', '~', '"', '\'']));
            self.frame().effects.directories.push(path.map(str::to_owned));
        }
        let calls = &mut self.frame().effects.calls;
        match magic {
            "matplotlib" | "pylab" => {
                *calls = false;
                self.frame().effects.settings.insert("matplotlib".to_owned());
            }
            "config" | "load_ext" | "reload_ext" | "autoreload" | "precision" | "xmode" | "colors" | "cd" | "pushd"
            | "popd" | "env" | "set_env" => {
                *calls = false;
                self.change_interpreter();
            }
            "pip" | "conda" | "mamba" | "uv" | "time" | "timeit" | "prun" | "who" | "whos" | "pwd" | "lsmagic"
            | "watermark" | "memit" | "alias" => {}
            "ls" | "cat" | "ll" | "head" | "tail" => self.touch(Resource::AnyFile, false, range),
            "run" | "load" | "store" | "macro" | "recall" | "rerun" | "edit" | "reset" | "reset_selective"
            | "who_ls" | "xdel" => self.frame().effects.dynamic.push((format!("%{magic}"), range)),
            _ => {
                self.touch(Resource::Subprocess, true, range);
                self.touch(Resource::AnyFile, true, range);
            }
        }
    }
}

/// Whether a command installs packages and does nothing else.
fn only_installs(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let is_pip = |word: &str| matches!(word, "pip" | "pip3");
    let installs = match words.next() {
        Some("python" | "python3" | "{sys.executable}") => {
            words.next() == Some("-m") && words.next().is_some_and(is_pip)
        }
        Some("uv") => words.next().is_some_and(is_pip),
        Some(word) => is_pip(word),
        None => false,
    };
    // (What is quoted may be `numpy>=2`.)
    let outside_quotes: String = command.split(['"', '\'']).step_by(2).collect();
    installs && !outside_quotes.contains(['&', ';', '|', '<', '>', '`', '\n']) && !command.contains("$(")
}

/// An expression in a command.
struct Interpolated<'t> {
    expression: &'t str,
    calls: bool,
}

fn interpolated(text: &str) -> Vec<Interpolated<'_>> {
    let mut found = vec![];
    let mut rest = text;
    while let Some(at) = rest.find(['{', '$']) {
        let is_braced = rest[at..].starts_with('{');
        rest = &rest[at + 1..];
        let end = match is_braced {
            true => closing_brace(rest),
            false => rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()),
        };
        let expression = &rest[..end];
        found.push(Interpolated { expression, calls: expression.contains('(') });
        rest = &rest[end..];
    }
    found
}

/// Where the brace closes that opens before the text, or its end.
fn closing_brace(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// What may be a variable in an expression: its words, also those in texts.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_does_more_than_install_is_told() {
        for command in ["pip install -r r.txt", " pip3 install 'a>=2'", "python -m pip install -e .", "pip list"] {
            assert!(only_installs(command), "{command}");
        }
        for command in ["pip install a; gdown 1", "pip install a && cp b c", "ls", "python -m b", "pip list > a.txt"] {
            assert!(!only_installs(command), "{command}");
        }
    }

    #[test]
    fn every_word_of_an_expression_is_found() {
        let found = |text| -> Vec<String> {
            interpolated(text).iter().flat_map(|part| words(part.expression)).map(str::to_owned).collect()
        };
        assert_eq!(found("echo {len(df)} $name.txt {a['b']:>3}"), ["len", "df", "name", "a", "b"]);
        assert_eq!(found("echo {1 + n[0]} {{x}} {open"), ["n", "x", "open"]);
    }
}
