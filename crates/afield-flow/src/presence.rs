//! Which word says truly how present a device is.

use std::time::Duration;

use afield_proto::device::Presence;

/// How long a runner may take to fall asleep after it said so; what is heard later is a sign that
/// it is awake again.
const FALLING_ASLEEP: Duration = Duration::from_secs(10);

/// What is known of a device, each as an age.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// It was thrown out.
    pub revoked: bool,
    /// It has a connection.
    pub connected: bool,
    /// Since its last sign of life.
    pub silent: Option<Duration>,
    /// Since it said that it falls asleep.
    pub asleep: Option<Duration>,
}

/// The word for a device that gives a sign of life at least every `interval` while it is well.
pub fn word(signs: Signs, interval: Duration) -> Presence {
    if signs.revoked {
        return Presence::Revoked;
    }
    if sleeps(signs) {
        return Presence::Asleep;
    }
    match (signs.connected, signs.silent) {
        (false, _) => Presence::Away,
        // One sign may be lost or late.
        (true, Some(silent)) if silent > interval * 2 => Presence::Stale,
        (true, _) => Presence::Online,
    }
}

/// Whether nothing was heard since it fell asleep.
fn sleeps(signs: Signs) -> bool {
    let Some(asleep) = signs.asleep else { return false };
    match signs.silent {
        Some(silent) => silent + FALLING_ASLEEP >= asleep,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn the_word_follows_the_signs() {
        let here = Signs { connected: true, silent: seconds(3), ..Signs::default() };
        for (signs, expected) in [
            (here, Presence::Online),
            (Signs { silent: seconds(60), ..here }, Presence::Online),
            (Signs { silent: seconds(61), ..here }, Presence::Stale),
            (Signs { connected: false, ..here }, Presence::Away),
            (Signs { connected: false, silent: None, ..here }, Presence::Away),
            (Signs { revoked: true, ..here }, Presence::Revoked),
        ] {
            assert_eq!(word(signs, INTERVAL), expected, "{signs:?}");
        }
    }

    #[test]
    fn asleep_lasts_until_something_is_heard() {
        let asleep = Signs { connected: true, silent: seconds(100), ..Signs::default() };
        let word =
            |asleep_for, signs| word(Signs { asleep: seconds(asleep_for), ..signs }, INTERVAL);
        assert_eq!(word(100, asleep), Presence::Asleep);
        assert_eq!(word(109, asleep), Presence::Asleep, "its last words before it slept");
        assert_eq!(word(500, asleep), Presence::Stale, "it was heard long after it said so");
        assert_eq!(word(500, Signs { silent: None, ..asleep }), Presence::Asleep);
        assert_eq!(word(500, Signs { silent: seconds(1), ..asleep }), Presence::Online);
        assert_eq!(word(9, Signs { connected: false, ..asleep }), Presence::Asleep);
    }
}
