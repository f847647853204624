//! JSON as Python writes it: `json.dumps` emits `NaN`, `Infinity` and lone surrogates, which strict JSON lacks, and
//! such notebooks exist (mostly in the outputs of plotting libraries).

use serde::de::DeserializeOwned;

/// Strict JSON first; a file that only fails for Python's additions is read with `null` and U+FFFD in their places.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text).or_else(|error| serde_json::from_str(&strict(text)).map_err(|_| error))
}

fn strict(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, from_quote) = rest.split_at(quote);
        out.push_str(&without_not_finite(before));
        let (string, after) = from_quote.split_at(end_of_string(from_quote));
        out.push_str(&without_lone_surrogates(string));
        rest = after;
    }
    out.push_str(&without_not_finite(rest));
    out
}

fn without_not_finite(between_strings: &str) -> String {
    between_strings.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null")
}

/// Length of the JSON string that `text` begins with, quotes included.
fn end_of_string(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn without_lone_surrogates(string: &str) -> String {
    let mut out = String::with_capacity(string.len());
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => 12,
            (Some(_), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // A backslash and whatever it escapes, so that `\\ud800` is not taken for a surrogate.
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The surrogate that an escape at the start of `text` stands for.
fn surrogate(text: &str) -> Option<u32> {
    let unit = u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()?;
    (0xD800..0xE000).contains(&unit).then_some(unit)
}
