//! What the clock shows where a device's quiet hours are. The zones are part of the binary: a small
//! server has none of its own.

use afield_proto::Timestamp;
use afield_proto::push::TimeOfDay;
use jiff::tz::TimeZone;

/// Whether there is such a place.
pub(super) fn is_known(zone: &str) -> bool {
    TimeZone::get(zone).is_ok()
}

/// The time of day there; `None` for a place that is not known.
pub(super) fn time_of_day(zone: &str, now: Timestamp) -> Option<TimeOfDay> {
    let zone = TimeZone::get(zone).ok()?;
    let local = jiff::Timestamp::from_millisecond(now.unix_ms()).ok()?.to_zoned(zone);
    let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
    Some(TimeOfDay::from_minute(u16::try_from(minute).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_that_of_the_place_and_season() {
        for (zone, at, expected) in [
            ("Europe/Berlin", "2026-01-15T12:00:00Z", "13:00"),
            ("Europe/Berlin", "2026-07-15T12:00:00Z", "14:00"),
            ("Asia/Kolkata", "2026-07-15T20:00:00Z", "01:30"),
            ("UTC", "2026-07-15T23:59:59Z", "23:59"),
        ] {
            let local = time_of_day(zone, at.parse().unwrap()).unwrap();
            assert_eq!(local.to_string(), expected, "{zone} {at}");
        }
        assert!(is_known("America/New_York") && !is_known("Middle/Earth"));
        assert_eq!(time_of_day("Middle/Earth", Timestamp::from_unix_ms(0)), None);
    }
}
