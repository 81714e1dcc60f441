//! Points in time: unix milliseconds inside, RFC 3339 UTC on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, to the millisecond.
///
/// **Shape**: RFC 3339 in UTC on the wire (`2026-11-20T12:00:00.123Z`); a BIGINT of
/// **unix milliseconds** in storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Timestamp(
    #[cfg_attr(feature = "schema", schemars(with = "String"), ts(type = "string"))] i64,
);

impl Timestamp {
    /// The moment `ms` milliseconds after the unix epoch. Values outside the years 1 to 9998 are
    /// moved to the nearest one that RFC 3339 can write.
    pub fn from_unix_ms(ms: i64) -> Self {
        const YEAR_1: i64 = -62_135_596_800_000;
        const YEAR_9999: i64 = 253_370_764_800_000;
        Self(ms.clamp(YEAR_1, YEAR_9999))
    }

    /// Milliseconds since the unix epoch.
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// The wall clock now. Deciding code takes `now` as a parameter instead.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// This moment plus a duration (saturating).
    pub fn plus(self, duration: std::time::Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_ms(self.0.saturating_add(ms))
    }

    /// This moment less a duration (saturating).
    pub fn minus(self, duration: std::time::Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_ms(self.0.saturating_sub(ms))
    }

    /// How long after `earlier` this moment is; zero when it is not.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        let ms = self.0.saturating_sub(earlier.0).max(0);
        std::time::Duration::from_millis(ms.unsigned_abs())
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0).map_err(|_| std::fmt::Error)?;
        write!(f, "{at:.3}")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_rfc_3339() {
        let at = Timestamp::from_unix_ms(1_795_176_000_123);
        assert_eq!(at.to_string(), "2026-11-20T12:00:00.123Z");
        assert_eq!("2026-11-20T13:00:00.123+01:00".parse::<Timestamp>().unwrap(), at);
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
    }

    #[test]
    fn far_times_are_clamped_not_lost() {
        assert!(Timestamp::from_unix_ms(i64::MAX).to_string().starts_with("9999-"));
        assert!(!Timestamp::from_unix_ms(i64::MIN).to_string().is_empty());
    }
}
