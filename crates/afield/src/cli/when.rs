//! Points in time as people type them: RFC 3339, or so long from now.

use std::time::Duration;

use afield_proto::Timestamp;

/// Reads `2026-11-20T12:00:00Z`, `now`, or a duration from now such as `90s`, `10m`, `2h`, `3d`.
pub(super) fn when(text: &str) -> Result<Timestamp, String> {
    at(text, Timestamp::now())
}

fn at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(wait) = duration(text) {
        return Ok(now.plus(wait));
    }
    text.parse().map_err(|_| {
        "write a time such as 2026-11-20T12:00:00Z, or so long from now: 90s, 10m, 2h, 3d".into()
    })
}

/// Reads a duration such as `90s`, `10m`, `2h`, `3d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let seconds = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_read() {
        let now = Timestamp::from_unix_ms(1_000_000_000);
        let after = |text| at(text, now).unwrap().since(now).as_secs();
        assert_eq!(after("90s"), 90);
        assert_eq!(after("10m"), 600);
        assert_eq!(after("2h"), 7200);
        assert_eq!(after("3d"), 3 * 86_400);
        assert_eq!(after("now"), 0);
        assert_eq!(
            at("2026-11-20T12:00:00Z", now).unwrap().to_string(),
            "2026-11-20T12:00:00.000Z"
        );
        for bad in ["", "10", "m", "10 parsecs", "-5m", "tomorrow", "99999999999999999999d"] {
            assert!(at(bad, now).unwrap_err().contains("10m"), "{bad}");
        }
    }
}
