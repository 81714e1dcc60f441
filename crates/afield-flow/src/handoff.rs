//! Who may take the focus, move it, offer it, and let it go: a lease by compare-and-set.

use afield_proto::handoff::{Focus, Handoff, Holder};
use afield_proto::{DeviceId, ReplicaId, Timestamp};

/// A screen of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// The device, as the server knows it.
    pub device_id: DeviceId,
    /// Which of its screens.
    pub screen: ReplicaId,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Step {
    /// A screen takes the focus, knowing this version. The holder's own screen keeps it, which it
    /// asks for after its connection was lost.
    Take {
        /// The version it knows.
        from_version: u64,
        /// Who.
        by: Holder,
        /// What it shows; what was shown before when it says nothing.
        focus: Option<Focus>,
    },
    /// The holder shows something else.
    Move {
        /// Who.
        by: Screen,
        /// What.
        focus: Focus,
    },
    /// The holder asks a device to go on.
    Offer {
        /// Who.
        by: Screen,
        /// Which device.
        to: DeviceId,
    },
    /// The holder lets go.
    Release {
        /// Who.
        by: Screen,
    },
    /// The holder's connection has been gone for too long.
    End {
        /// The version it held; a later one has another holder.
        version: u64,
    },
}

/// Why it is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody took it meanwhile.
    #[error("the focus was taken meanwhile")]
    Moved,
    /// Only the holder may do that.
    #[error("this screen does not hold the focus")]
    NotHeld,
}

/// The focus of somebody who never had one.
pub fn nobody() -> Handoff {
    Handoff {
        version: 0,
        holder: None,
        offered_to: None,
        focus: Focus::default(),
        since: Timestamp::from_unix_ms(0),
    }
}

/// Decides what a step leads to; the same state when there is nothing to change.
///
/// **Errors**: [`Refused`].
pub fn after(before: &Handoff, step: &Step, now: Timestamp) -> Result<Handoff, Refused> {
    let same = before.clone();
    match step {
        Step::Take { by, focus, .. } if holds(before, screen(by)) => {
            Ok(Handoff { focus: focus.clone().unwrap_or(same.focus), ..before.clone() })
        }
        Step::Take { from_version, .. } if *from_version != before.version => Err(Refused::Moved),
        Step::Take { by, focus, .. } => Ok(Handoff {
            version: before.version + 1,
            holder: Some(by.clone()),
            offered_to: None,
            focus: focus.clone().unwrap_or(same.focus),
            since: now,
        }),
        Step::Move { by, .. } | Step::Offer { by, .. } | Step::Release { by }
            if !holds(before, *by) =>
        {
            Err(Refused::NotHeld)
        }
        Step::Move { focus, .. } => Ok(Handoff { focus: focus.clone(), ..same }),
        Step::Offer { to, .. } => Ok(Handoff { offered_to: Some(*to), ..same }),
        Step::Release { .. } => Ok(let_go(same, now)),
        Step::End { version } if before.holder.is_some() && *version == before.version => {
            Ok(let_go(same, now))
        }
        Step::End { .. } => Ok(same),
    }
}

fn let_go(held: Handoff, now: Timestamp) -> Handoff {
    Handoff { version: held.version + 1, holder: None, offered_to: None, since: now, ..held }
}

fn screen(holder: &Holder) -> Screen {
    Screen { device_id: holder.device_id, screen: holder.screen }
}

/// The ids of screens are told to all: one counts together with its device only.
fn holds(handoff: &Handoff, by: Screen) -> bool {
    handoff.holder.as_ref().is_some_and(|holder| screen(holder) == by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_screen() -> Holder {
        Holder {
            device_id: DeviceId::generate(),
            device_name: "a screen".into(),
            screen: ReplicaId::generate(),
        }
    }

    fn take(from_version: u64, by: &Holder) -> Step {
        Step::Take { from_version, by: by.clone(), focus: None }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn of_two_that_know_the_same_version_one_takes_it() {
        let (phone, laptop) = (new_screen(), new_screen());
        let held = after(&nobody(), &take(0, &phone), at(1)).unwrap();
        assert_eq!((held.version, &held.holder), (1, &Some(phone.clone())));
        assert_eq!(after(&held, &take(0, &laptop), at(2)), Err(Refused::Moved));
        assert_eq!(after(&held, &take(0, &phone), at(2)).unwrap(), held, "its own stays");
        let moved = after(&held, &take(1, &laptop), at(3)).unwrap();
        assert_eq!((moved.version, moved.since), (2, at(3)));
    }

    #[test]
    fn only_the_holder_moves_offers_and_lets_go() {
        let (phone, laptop) = (new_screen(), new_screen());
        let held = after(&nobody(), &take(0, &phone), at(1)).unwrap();
        let focus = Focus { seq: Some(7), ..Focus::default() };
        let stolen = Screen { screen: phone.screen, device_id: laptop.device_id };
        for by in [screen(&laptop), stolen] {
            let focus = focus.clone();
            let to = laptop.device_id;
            for step in [Step::Move { by, focus }, Step::Offer { by, to }, Step::Release { by }] {
                assert_eq!(after(&held, &step, at(2)), Err(Refused::NotHeld));
            }
        }
        let by = screen(&phone);
        let moved = after(&held, &Step::Move { by, focus: focus.clone() }, at(2)).unwrap();
        assert_eq!((moved.version, &moved.focus), (1, &focus));
        let offer = Step::Offer { by, to: laptop.device_id };
        let offered = after(&moved, &offer, at(3)).unwrap();
        assert_eq!(offered.offered_to, Some(laptop.device_id));
        let taken = after(&offered, &take(1, &laptop), at(4)).unwrap();
        assert_eq!((taken.offered_to, &taken.focus), (None, &focus), "what was shown goes on");
        let free = after(&taken, &Step::Release { by: screen(&laptop) }, at(5)).unwrap();
        assert_eq!((free.version, &free.holder, &free.focus), (3, &None, &focus));
    }

    #[test]
    fn a_lease_ends_with_its_own_holder_only() {
        let (phone, laptop) = (new_screen(), new_screen());
        let held = after(&nobody(), &take(0, &phone), at(1)).unwrap();
        let moved = after(&held, &take(1, &laptop), at(2)).unwrap();
        assert_eq!(after(&moved, &Step::End { version: 1 }, at(3)).unwrap(), moved);
        let ended = after(&moved, &Step::End { version: 2 }, at(4)).unwrap();
        assert_eq!((ended.version, &ended.holder), (3, &None));
        assert_eq!(after(&ended, &Step::End { version: 3 }, at(5)).unwrap(), ended);
    }
}
