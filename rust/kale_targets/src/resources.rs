//! Quantities as KFP's SDK accepts them. It is stricter than Kubernetes: memory is a whole number.

use kale_model::{Code, Diagnostic, Quantity, Step};

/// What a step's container may use at most.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    pub cpu: Option<Amount>,
    pub memory: Option<Amount>,
    /// Resource name and count.
    pub accelerator: Option<(String, String)>,
}

/// A quantity, and its number in the deprecated field that old backends read: cores, or decimal gigabytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Amount {
    pub text: String,
    pub number: f64,
}

impl Limits {
    /// Reads the step's limits; what KFP has no place for is left out with a diagnostic.
    pub fn of(step: &Step, diagnostics: &mut Vec<Diagnostic>) -> Limits {
        let mut limits = Limits::default();
        for (resource, quantity) in &step.config.resources.limits {
            let understood = match resource.as_str() {
                "cpu" => set(&mut limits.cpu, cpu(quantity)),
                "memory" => set(&mut limits.memory, memory(quantity)),
                name if name.contains('/') && limits.accelerator.is_none() => {
                    set(&mut limits.accelerator, count(quantity).map(|count| (name.to_owned(), count)))
                }
                _ => false,
            };
            if !understood {
                diagnostics.push(no_place_for(step, resource, quantity));
            }
        }
        limits
    }

    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let understood = value.is_some();
    *place = value;
    understood
}

fn no_place_for(step: &Step, resource: &str, quantity: &Quantity) -> Diagnostic {
    let message =
        format!("Step `{}`: KFP cannot express the limit `{resource}: {}`; it is left out.", step.name, quantity.0);
    let help = "A step has one limit each for `cpu` (such as `500m`), `memory` (such as `4Gi`) and one accelerator \
                (such as `nvidia.com/gpu: 1`).";
    Diagnostic::new(Code::NotInTarget, message, help)
}

fn cpu(quantity: &Quantity) -> Option<Amount> {
    let number = quantity.value().filter(|cores| *cores > 0.0)?;
    let text = quantity.0.trim();
    let plain = text.strip_suffix('m').unwrap_or(text);
    let plain = plain.chars().all(|c| c.is_ascii_digit() || c == '.') && !plain.ends_with('.');
    let text = if plain { text.to_owned() } else { format!("{}m", (number * 1e3).ceil()) };
    Some(Amount { text, number })
}

fn memory(quantity: &Quantity) -> Option<Amount> {
    let bytes = quantity.value().filter(|bytes| *bytes >= 1.0)?.ceil();
    let text = quantity.0.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let whole = digits.chars().all(|c| c.is_ascii_digit());
    let unit = &text[digits.len()..];
    let accepted = whole && matches!(unit, "" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti");
    Some(Amount { text: if accepted { text.to_owned() } else { format!("{bytes}") }, number: bytes / 1e9 })
}

fn count(quantity: &Quantity) -> Option<String> {
    let text = quantity.0.trim();
    text.parse::<u32>().ok().filter(|count| *count > 0).map(|count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(read: fn(&Quantity) -> Option<Amount>, text: &str) -> Option<(String, f64)> {
        read(&Quantity(text.into())).map(|amount| (amount.text, amount.number))
    }

    #[test]
    fn deprecated_numbers_are_the_sdks() {
        assert_eq!(amount(cpu, "500m"), Some(("500m".into(), 0.5)));
        assert_eq!(amount(cpu, "2"), Some(("2".into(), 2.0)));
        assert_eq!(amount(memory, "4Gi"), Some(("4Gi".into(), 4.294967296)));
        assert_eq!(amount(memory, "512M"), Some(("512M".into(), 0.512)));
    }

    #[test]
    fn what_only_kubernetes_accepts_is_rewritten() {
        assert_eq!(amount(memory, "1.5Gi"), Some(("1610612736".into(), 1.610612736)));
        assert_eq!(amount(memory, "64k"), Some(("64000".into(), 6.4e-5)));
        assert_eq!(amount(memory, "much"), None);
        assert_eq!(amount(cpu, "0"), None);
    }
}
