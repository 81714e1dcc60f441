//! What follows on the answer of a push service.

use std::time::Duration;

/// How often one notification is sent at most.
const TRIES_MAX: u32 = 6;
/// The first wait; each further one is twice as long.
const WAIT: Duration = Duration::from_secs(1);
/// The longest wait the service is not asked for.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// How a push service answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// With a status.
    Status {
        /// Which.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Not at all.
    None,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It took the notification.
    Sent,
    /// The subscription is no more.
    Gone,
    /// It will not take the notification, or there is no use in it any more.
    Failed,
    /// It is sent again after this.
    Again(Duration),
}

/// Decides. `tries` counts this one; `left` is how long the notification is of use.
pub fn after(answer: Answer, tries: u32, left: Duration) -> Next {
    let asked = match answer {
        Answer::Status { status: 200..=299, .. } => return Next::Sent,
        Answer::Status { status: 404 | 410, .. } => return Next::Gone,
        Answer::Status { status: 408 | 429 | 500..=599, retry_after } => retry_after,
        Answer::Status { .. } => return Next::Failed,
        Answer::None => None,
    };
    let own = WAIT.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(WAIT_MAX);
    let wait = asked.unwrap_or(own);
    if tries >= TRIES_MAX || wait >= left { Next::Failed } else { Next::Again(wait) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn status(status: u16) -> Answer {
        Answer::Status { status, retry_after: None }
    }

    #[test]
    fn each_answer_has_its_consequence() {
        for (answer, expected) in [
            (status(201), Next::Sent),
            (status(410), Next::Gone),
            (status(404), Next::Gone),
            (status(307), Next::Failed),
            (status(403), Next::Failed),
            (status(413), Next::Failed),
            (status(503), Next::Again(WAIT)),
            (Answer::None, Next::Again(WAIT)),
        ] {
            assert_eq!(after(answer, 1, DAY), expected, "{answer:?}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let waits: Vec<_> = (1..=7).map(|tries| after(status(500), tries, DAY)).collect();
        let again = |seconds| Next::Again(Duration::from_secs(seconds));
        let expected = [again(1), again(2), again(4), again(8), again(16), Next::Failed];
        assert_eq!(waits[..6], expected);
        assert_eq!(waits[6], Next::Failed);
    }

    #[test]
    fn what_the_service_asks_for_is_kept_to_while_it_is_of_use() {
        let asked = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            after(Answer::Status { status: 429, retry_after }, 1, Duration::from_secs(60))
        };
        assert_eq!(asked(0), Next::Again(Duration::ZERO));
        assert_eq!(asked(59), Next::Again(Duration::from_secs(59)));
        assert_eq!(asked(60), Next::Failed);
    }
}
