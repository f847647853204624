//! Diagnostics as SARIF 2.1.0, the format that code scanners exchange.

use kale_model::{Code, Diagnostic, Severity};
use serde_json::{Value, json};

use super::Context;

pub fn diagnostics(diagnostics: &[Diagnostic], context: &Context<'_>) -> String {
    let mut codes: Vec<Code> = diagnostics.iter().map(|d| d.code).collect();
    codes.sort();
    codes.dedup();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kale-rs",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            }},
            "results": diagnostics.iter().map(|d| result(d, context)).collect::<Vec<_>>(),
        }],
    });
    let mut text = serde_json::to_string_pretty(&log).expect("JSON values serialise");
    text.push('\n');
    text
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.id(),
        "shortDescription": {"text": code.explanation().lines().next().unwrap_or_default().trim()},
        "fullDescription": {"text": code.explanation().trim()},
        "defaultConfiguration": {"level": level(code.severity())},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(diagnostic: &Diagnostic, context: &Context<'_>) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(&context.listing.label)}});
    let mut location = json!({});
    if let Some((cell, start)) = diagnostic.cell.zip(diagnostic.start) {
        if let Some(line) = context.listing.file_line(cell.0, start.line) {
            physical["region"] = json!({"startLine": line});
        }
        location["logicalLocations"] = json!([{
            "name": format!("cell {}", cell.0),
            "fullyQualifiedName": format!("cell {}:{}:{}", cell.0, start.line, start.column),
            "kind": "module",
        }]);
    }
    location["physicalLocation"] = physical;
    json!({
        "ruleId": diagnostic.code.id(),
        "level": level(diagnostic.severity),
        "message": {"text": format!("{}\n{}", diagnostic.message, diagnostic.help).trim_end()},
        "locations": [location],
    })
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notebook::Listing;
    use kale_model::{CellIndex, Span};

    #[test]
    fn a_result_points_into_the_file_and_names_the_cell() {
        let listing = Listing::of("my notebook.ipynb", "{\"cells\": [\n{\"source\": \"x\"}]}");
        let context = Context { listing: &listing, colour: false };
        let fault = Diagnostic::new(Code::NoCode, "m", "h").at(Span::of_cell(CellIndex(0)));
        let log: Value = serde_json::from_str(&diagnostics(&[fault], &context)).unwrap();
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "no-code");
        let location = &result["locations"][0];
        assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "my%20notebook.ipynb");
        assert_eq!(location["physicalLocation"]["region"]["startLine"], 2);
        assert_eq!(location["logicalLocations"][0]["fullyQualifiedName"], "cell 0:1:1");
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][0]["id"], "no-code");
    }
}
