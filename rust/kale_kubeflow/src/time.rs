//! Instants as the API writes them (RFC 3339).

/// Seconds since 1970 of `2026-11-20T09:48:15.25Z`, or with an offset such as `+02:00`.
pub fn epoch_seconds(text: &str) -> Option<f64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = whole_numbers(date, '-')?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = whole_numbers(time, ':')?;
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    in_range.then_some(seconds as f64 + fraction)
}

fn whole_numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let numbers: Option<Vec<i64>> = text.split(between).map(|part| part.parse::<u32>().ok().map(i64::from)).collect();
    numbers?.try_into().ok()
}

/// Seconds that a zone is ahead.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let [hours, minutes, _] = whole_numbers(&format!("{}:0", &zone[1..]), ':')?;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Years are taken to begin in March, so that the leap day is the last of one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read() {
        assert_eq!(epoch_seconds("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(epoch_seconds("2026-11-20T09:48:15.25Z"), Some(1_795_168_095.25));
        assert_eq!(epoch_seconds("2026-11-20T11:48:15+02:00"), Some(1_795_168_095.0));
        assert_eq!(epoch_seconds("2024-02-29T00:00:00Z"), Some(1_709_164_800.0));
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-20T09:48:15", "2026-11-20T25:00:00Z"] {
            assert_eq!(epoch_seconds(text), None, "{text}");
        }
    }
}
