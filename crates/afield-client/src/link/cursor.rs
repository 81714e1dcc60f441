//! Where a follower stands in a topic: decides what is new, what is a repetition, what is missing.
//!
//! Pure: no clock, no channel. `link::driver` acts on what it says.

use afield_proto::request::{SubscribeReply, Verdict};

/// Events that will not come: load the state anew.
///
/// They lie after number `after` and end with number `until`. `until` is the smaller one when the
/// server knows fewer events than were seen (it was restored from a copy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last event seen before it.
    pub after: u64,
    /// The event after which the stream continues.
    pub until: u64,
}

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it was seen already.
    Skip,
    /// Hand it on.
    Deliver,
    /// Say what is missing, then hand it on.
    DeliverAfter(Gap),
}

/// The last number seen, if any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    last: Option<u64>,
}

impl Cursor {
    pub(crate) fn new(after: Option<u64>) -> Self {
        Self { last: after }
    }

    /// What to ask the server to continue after.
    pub(crate) fn after(self) -> Option<u64> {
        self.last
    }

    /// The server's answer to a subscription.
    ///
    /// A server that knows fewer events than were seen goes on from its own last one. When events
    /// are gone instead, the oldest one it still has comes next and shows how many.
    pub(crate) fn subscribed(&mut self, reply: &SubscribeReply) -> Option<Gap> {
        let last = *self.last.get_or_insert(reply.seq);
        if reply.verdict == Verdict::Ok || last <= reply.seq {
            return None;
        }
        self.last = Some(reply.seq);
        Some(Gap { after: last, until: reply.seq })
    }

    /// The server says that these can't be read: what comes next follows on the last of them.
    pub(crate) fn lost(&mut self, first: u64, last: u64) -> Option<Gap> {
        let before = self.last.unwrap_or(first.saturating_sub(1));
        if last <= before {
            return None;
        }
        self.last = Some(last);
        Some(Gap { after: before, until: last })
    }

    /// A numbered event. Numbers of a topic have no holes, so a hole is a loss.
    pub(crate) fn event(&mut self, seq: u64) -> Step {
        match self.last {
            Some(last) if seq <= last => Step::Skip,
            Some(last) if seq > last + 1 => {
                self.last = Some(seq);
                Step::DeliverAfter(Gap { after: last, until: seq - 1 })
            }
            Some(_) | None => {
                self.last = Some(seq);
                Step::Deliver
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::{ProjectId, Topic};
    use proptest::prelude::*;

    fn reply(seq: u64, verdict: Verdict) -> SubscribeReply {
        SubscribeReply { topic: Topic::Project(ProjectId::generate()), seq, verdict }
    }

    #[test]
    fn without_a_number_it_starts_where_the_server_stands() {
        let mut cursor = Cursor::new(None);
        assert_eq!(cursor.subscribed(&reply(9, Verdict::Ok)), None);
        assert_eq!(cursor.after(), Some(9));
        assert_eq!(cursor.event(10), Step::Deliver);
    }

    #[test]
    fn a_gap_is_said_once_with_what_the_server_still_has() {
        let mut cursor = Cursor::new(Some(3));
        assert_eq!(cursor.subscribed(&reply(90, Verdict::Gap)), None);
        assert_eq!(cursor.event(60), Step::DeliverAfter(Gap { after: 3, until: 59 }));
        assert_eq!(cursor.event(61), Step::Deliver);
    }

    #[test]
    fn what_can_not_be_read_is_a_gap_at_once() {
        let mut cursor = Cursor::new(Some(6));
        assert_eq!(cursor.lost(7, 9), Some(Gap { after: 6, until: 9 }));
        assert_eq!(cursor.lost(7, 9), None, "it was said before");
        assert_eq!(cursor.event(10), Step::Deliver);
    }

    #[test]
    fn a_server_that_went_back_is_a_gap_too() {
        let mut cursor = Cursor::new(Some(50));
        let gap = Gap { after: 50, until: 10 };
        assert_eq!(cursor.subscribed(&reply(10, Verdict::Gap)), Some(gap));
        assert_eq!(cursor.event(11), Step::Deliver);
    }

    proptest! {
        /// However often the line breaks and whatever is repeated: each number once and in order.
        #[test]
        fn each_event_once_in_order(rewinds in prop::collection::vec(0_u64..5, 1..20)) {
            let mut cursor = Cursor::new(Some(0));
            let mut seen = Vec::new();
            for rewind in rewinds {
                let from = cursor.after().unwrap().saturating_sub(rewind) + 1;
                for seq in from..from + 4 {
                    match cursor.event(seq) {
                        Step::Deliver => seen.push(seq),
                        Step::Skip => {}
                        Step::DeliverAfter(gap) => prop_assert!(false, "no gap here: {gap:?}"),
                    }
                }
            }
            prop_assert!(seen.iter().copied().eq(1..=seen.len() as u64));
        }

        /// What is delivered and what is reported missing together cover every number once.
        #[test]
        fn nothing_is_missed_silently(seqs in prop::collection::vec(1_u64..40, 0..60)) {
            let mut cursor = Cursor::new(Some(0));
            let mut covered = 0;
            for seq in seqs {
                match cursor.event(seq) {
                    Step::Skip => prop_assert!(seq <= covered),
                    Step::Deliver => { prop_assert_eq!(seq, covered + 1); covered = seq; }
                    Step::DeliverAfter(gap) => {
                        prop_assert_eq!((gap.after, gap.until), (covered, seq - 1));
                        covered = seq;
                    }
                }
            }
        }
    }
}
