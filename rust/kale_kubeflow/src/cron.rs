//! Cron expressions as Kubeflow Pipelines reads them: six fields, seconds first, or a word such as `@daily`.
//!
//! A server that is given five fields takes them for six without the last one, so that `30 6 * * 1-5` would run in the
//! sixth minute of every hour, from January to May. Here they are refused, as is all else that a server cannot read.

use crate::error::KubeflowError;

const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One of the six: what it counts, from where to where, and names of its numbers.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 6] = [
    Field { name: "seconds", first: 0, last: 59, names: &[] },
    Field { name: "minutes", first: 0, last: 59, names: &[] },
    Field { name: "hours", first: 0, last: 23, names: &[] },
    Field { name: "days of the month", first: 1, last: 31, names: &[] },
    Field { name: "months", first: 1, last: 12, names: &MONTHS },
    Field { name: "days of the week", first: 0, last: 6, names: &DAYS },
];

pub fn check(cron: &str) -> Result<(), KubeflowError> {
    if let Some(duration) = cron.strip_prefix("@every ") {
        return if is_duration(duration.trim()) { Ok(()) } else { Err(no_schedule(cron, "write `@every 90m`".into())) };
    }
    if WORDS.contains(&cron) {
        return Ok(());
    }
    let fields: Vec<&str> = cron.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let help = match fields.len() {
            5 => format!("Kubeflow counts seconds: write `0 {}`", fields.join(" ")),
            _ => "write six fields, seconds first, such as `0 30 6 * * MON-FRI` for half past six on workdays".into(),
        };
        return Err(no_schedule(cron, help));
    }
    match FIELDS.iter().zip(fields).find(|(field, text)| !text.split(',').all(|part| field.takes(part))) {
        None => Ok(()),
        Some((Field { name, first, last, .. }, text)) => {
            let help = format!(
                "the {name} are `{}`: write `*`, numbers from {first} to {last}, `A-B`, `*/N`",
                text.escape_debug()
            );
            Err(no_schedule(cron, help))
        }
    }
}

fn no_schedule(cron: &str, help: String) -> KubeflowError {
    KubeflowError::usage(format!("`{}` is no schedule", cron.escape_debug()), help)
}

impl Field {
    /// `*`, `?`, `5`, `1-5`, each with `/N` behind it.
    fn takes(&self, part: &str) -> bool {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let has_step = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
        let is_range = match range.split_once('-') {
            _ if range == "*" || range == "?" => true,
            None => self.number(range).is_some(),
            Some((from, to)) => self.number(from).zip(self.number(to)).is_some_and(|(from, to)| from <= to),
        };
        has_step && is_range
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|position| u32::try_from(position).ok()).map(|position| self.first + position);
        let digits = text.chars().all(|c| c.is_ascii_digit());
        let number = named.or_else(|| text.parse().ok().filter(|_| digits))?;
        (self.first..=self.last).contains(&number).then_some(number)
    }
}

/// As Go writes it: `90s`, `1h30m`.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit = rest[digits..].chars().next().unwrap_or(' ');
        if digits == 0 || !"smh".contains(unit) {
            return false;
        }
        rest = &rest[digits + 1..];
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_that_a_server_reads() {
        let good = ["0 30 6 * * MON-FRI", "0 0/10 * * * ?", "*/5 * 1,2 1-31/2 jan 0-6", "@daily", "@every 1h30m"];
        assert!(good.iter().all(|cron| check(cron).is_ok()), "{:?}", good.map(check));
        let bad = [
            "",
            "* * *",
            "0 0 0 * * $x",
            "60 * * * * *",
            "* * 24 * * *",
            "* * * 0 * *",
            "* * * L * *",
            "* * * * 13 *",
            "* * * * * 7",
            "* * * * * FRI-MON",
            "*/0 * * * * *",
            "0, * * * * *",
            "@often",
            "@every day",
            "@every 5é",
        ];
        assert!(bad.iter().all(|cron| check(cron).is_err()));
        assert_eq!(check("30 6 * * *").unwrap_err().help, "Kubeflow counts seconds: write `0 30 6 * * *`");
        assert!(check("0 75 6 * * *").unwrap_err().help.contains("the minutes are `75`"));
    }
}
