//! Diagnostics as workflow commands, which GitHub shows beside the changed lines of a file.

use std::fmt::Write;

use kale_model::{Diagnostic, Severity};

use super::Context;

pub fn diagnostics(diagnostics: &[Diagnostic], context: &Context<'_>) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let command = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let line =
            diagnostic.cell.zip(diagnostic.start).and_then(|(c, start)| context.listing.file_line(c.0, start.line));
        let line = line.map(|line| format!(",line={line}")).unwrap_or_default();
        let place = diagnostic.cell.zip(diagnostic.start);
        let place = place.map(|(cell, at)| format!("cell {}:{}:{}: ", cell.0, at.line, at.column)).unwrap_or_default();
        let text = format!("{place}{} ({})", diagnostic.message, diagnostic.help);
        let (file, title) = (property(&context.listing.label), property(diagnostic.code.id()));
        let _ = writeln!(out, "::{command} file={file}{line},title={title}::{}", data(&text));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notebook::Listing;
    use kale_model::{CellIndex, Code, Span};

    #[test]
    fn the_line_is_that_of_the_file() {
        let text = "{\"cells\": [\n{\"source\": [\n\"x = 1\\n\",\n\"y\"]}]}";
        let listing = Listing::of("a,b.ipynb", text);
        let context = Context { listing: &listing, colour: false };
        let mut span = Span::of_cell(CellIndex(0));
        (span.start.line, span.end.line) = (2, 2);
        let fault = Diagnostic::new(Code::UndefinedName, "100% wrong", "mend it").at(span);
        insta::assert_snapshot!(
            diagnostics(&[fault], &context),
            @"::warning file=a%2Cb.ipynb,line=4,title=undefined-name::cell 0:2:1: 100%25 wrong (mend it)"
        );
    }
}
