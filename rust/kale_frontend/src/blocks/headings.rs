//! Headings of markdown cells, from which steps of untagged notebooks have their names.

use super::Heading;
use crate::notebook::{Cell, CellKind};

pub(super) fn headings(cells: &[Cell]) -> Vec<Heading> {
    let mut headings = vec![];
    for cell in cells.iter().filter(|cell| cell.kind == CellKind::Markdown) {
        let found = in_markdown(&cell.source);
        headings.extend(found.into_iter().map(|(level, text)| Heading { cell: cell.index, level, text }));
    }
    headings
}

fn in_markdown(source: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    let mut fence: Option<&str> = None;
    let mut paragraph = "";
    for line in source.lines() {
        let text = line.trim();
        let opens = ["```", "~~~"].into_iter().find(|mark| text.starts_with(mark));
        match (fence, opens) {
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, Some(mark)) => fence = Some(mark),
            (Some(_), _) => {}
            (None, None) => {
                if let Some(heading) = hashes(text).or_else(|| underlined(paragraph, text)) {
                    found.push(heading);
                    paragraph = "";
                    continue;
                }
            }
        }
        paragraph = if fence.is_none() && opens.is_none() { text } else { "" };
    }
    found
}

/// `## Load the data ##`
fn hashes(line: &str) -> Option<(usize, String)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let rest = &line[level..];
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let text = plain(rest.trim().trim_end_matches('#').trim());
    (!text.is_empty()).then_some((level, text))
}

/// A line of `=` or `-` under a line of text.
fn underlined(paragraph: &str, line: &str) -> Option<(usize, String)> {
    let is_all = |mark: char| line.len() >= 2 && line.chars().all(|c| c == mark);
    let level = if is_all('=') { 1 } else { 2 };
    let starts_a_block = paragraph.starts_with(['-', '*', '>', '|', '+']);
    let is_heading = (is_all('=') || is_all('-')) && !paragraph.is_empty() && !starts_a_block;
    is_heading.then(|| (level, plain(paragraph)))
}

/// Without emphasis, code marks, tags, and the targets of links.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' | '`' | '[' => {}
            '<' if rest.contains('>') => rest = &rest[rest.find('>').map_or(0, |end| end + 1)..],
            ']' => {
                if rest.starts_with('(') {
                    rest = rest.find(')').map_or(rest, |end| &rest[end + 1..]);
                }
            }
            _ => out.push(c),
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_in_every_style() {
        let check = |source: &str, expected: &[(usize, &str)]| {
            let found = in_markdown(source);
            let found: Vec<(usize, &str)> = found.iter().map(|(level, text)| (*level, text.as_str())).collect();
            assert_eq!(found, expected, "{source}");
        };
        check("# Load\n\ntext\n## Clean *it* ##", &[(1, "Load"), (2, "Clean it")]);
        check("Title\n=====\n\nPart\n---", &[(1, "Title"), (2, "Part")]);
        check("```\n# comment\n```\n#hashtag\n\n---\n- a\n---", &[]);
        check("### [Train](https://example.org) the `model` <a id='x'></a>", &[(3, "Train the model")]);
        check("text\r\n## Wind\r\n", &[(2, "Wind")]);
    }
}
