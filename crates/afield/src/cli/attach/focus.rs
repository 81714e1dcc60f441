//! The focus in an attached terminal: taken at the start when nobody holds it, or when it is asked
//! for; and told when another screen takes it.

use afield_proto::ReplicaId;
use afield_proto::handoff::{Focus, Handoff, Holder};
use afield_proto::request::HandoffTake;

use crate::words::one_line;

/// This terminal, as one of the person's screens.
#[derive(Debug)]
pub(super) struct Here {
    screen: ReplicaId,
    /// What was told last.
    known: Option<Handoff>,
}

impl Here {
    /// A terminal that knows where the focus is.
    pub(super) fn new(known: Option<Handoff>) -> Self {
        Self { screen: ReplicaId::generate(), known }
    }

    /// Whether this screen holds the focus.
    pub(super) fn holds(&self) -> bool {
        let holder = self.known.as_ref().and_then(|known| known.holder.as_ref());
        holder.is_some_and(|holder| holder.screen == self.screen)
    }

    /// This screen, while it holds the focus.
    pub(super) fn holding(&self) -> Option<ReplicaId> {
        self.holds().then_some(self.screen)
    }

    /// Whether nobody does.
    pub(super) fn is_free(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.holder.is_none())
    }

    /// The request to continue here, showing this.
    pub(super) fn take(&self, focus: Focus) -> HandoffTake {
        let from_version = self.known.as_ref().map_or(0, |known| known.version);
        HandoffTake { from_version, screen: self.screen, focus: Some(focus) }
    }

    /// The focus is somewhere else, or is offered: what to say about it, if anything.
    pub(super) fn told(&mut self, now: Handoff) -> Option<String> {
        let before = self.known.as_ref();
        if before.is_some_and(|before| before.version > now.version) {
            return None;
        }
        let (held, offered) = (self.holds(), before.and_then(|before| before.offered_to));
        let is_new = before.is_none_or(|before| before.version < now.version);
        let newly_offered = now.offered_to.is_some() && now.offered_to != offered;
        self.known = Some(now);
        let holder = self.known.as_ref().and_then(|known| known.holder.as_ref());
        match holder {
            Some(_) if self.holds() => (!held).then(|| "the focus is here".to_owned()),
            Some(holder) if is_new => {
                Some(format!("continued on {}; /here brings it back", name(holder)))
            }
            Some(holder) if newly_offered => {
                Some(format!("{} offers to go on elsewhere; /here takes it", name(holder)))
            }
            None if is_new && held => Some("the focus was let go".to_owned()),
            _ => None,
        }
    }
}

fn name(holder: &Holder) -> String {
    one_line(&holder.device_name, 40)
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::{DeviceId, Timestamp};

    fn held(version: u64, screen: ReplicaId) -> Handoff {
        let (device_id, device_name) = (DeviceId::generate(), "phone".to_owned());
        Handoff {
            version,
            holder: Some(Holder { device_id, device_name, screen }),
            offered_to: None,
            focus: Focus::default(),
            since: Timestamp::from_unix_ms(0),
        }
    }

    #[test]
    fn a_screen_says_where_the_focus_is_once() {
        let mut here = Here::new(None);
        assert!(!here.is_free() && !here.holds());
        assert_eq!(here.take(Focus::default()).from_version, 0);
        let mine = held(1, here.screen);
        assert_eq!(here.told(mine.clone()).as_deref(), Some("the focus is here"));
        assert_eq!(here.told(mine.clone()), None);
        let elsewhere = held(2, ReplicaId::generate());
        assert!(here.told(elsewhere.clone()).unwrap().starts_with("continued on phone"));
        assert_eq!(here.told(mine), None, "what is old is not told");
        let offered = Handoff { offered_to: Some(DeviceId::generate()), ..elsewhere };
        assert!(here.told(offered).unwrap().contains("/here"));
        assert_eq!(here.take(Focus::default()).from_version, 2);
    }
}
