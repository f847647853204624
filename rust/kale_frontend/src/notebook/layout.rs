//! How a notebook's file is laid out, so that what is written into it looks like the rest.

/// Jupyter indents by one space; other tools by more, by tabs, or write all on one line.
pub(super) struct Layout {
    /// One level of indent; `None` when all stands on one line.
    indent: Option<String>,
    line_break: &'static str,
}

impl Layout {
    pub fn of(text: &str) -> Layout {
        let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let inner = text.trim_start().strip_prefix('{').unwrap_or_default();
        let before_key = inner.split('"').next().unwrap_or_default();
        let indent = before_key.rsplit_once('\n').map(|(_, indent)| indent.to_owned());
        Layout { indent, line_break }
    }

    /// What stands before an entry at this depth: a line break and the indent, or `otherwise`.
    pub fn line_break(&self, depth: usize, otherwise: &str) -> String {
        match &self.indent {
            Some(indent) => format!("{}{}", self.line_break, indent.repeat(depth)),
            None => otherwise.to_owned(),
        }
    }

    /// A list of texts whose entries stand at this depth.
    pub fn list(&self, depth: usize, texts: &[String]) -> String {
        self.bracketed(depth, ['[', ']'], texts.iter().map(|text| Layout::string(text)).collect())
    }

    /// An object whose entries stand at this depth.
    pub fn object(&self, depth: usize, entries: &[(&str, String)]) -> String {
        let entries = entries.iter().map(|(key, value)| format!("{}: {value}", Layout::string(key)));
        self.bracketed(depth, ['{', '}'], entries.collect())
    }

    pub fn string(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }

    fn bracketed(&self, depth: usize, [open, close]: [char; 2], entries: Vec<String>) -> String {
        if entries.is_empty() {
            return format!("{open}{close}");
        }
        let before = self.line_break(depth, "");
        let between = format!(",{}", self.line_break(depth, " "));
        format!("{open}{before}{}{}{close}", entries.join(&between), self.line_break(depth - 1, ""))
    }
}
