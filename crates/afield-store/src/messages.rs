//! History: the messages of a project, page by page, in either direction, with filters.
//! [`search`] looks through several projects at once.

mod cursor;
mod filter;
pub(crate) mod search;

pub use self::cursor::{CursorError, SearchCursor};
pub use self::search::{MessageSearch, SearchPage};
use afield_proto::agent::{Direction, MessageKind};
use afield_proto::{OrgId, ProjectId, Timestamp, Topic};
use serde_json::value::RawValue;

use crate::log::StoredEvent;
use crate::log::damage::Found;
use crate::log::read::{Piece, Place, pieces_after, pieces_before, place};
use crate::messages::filter::{Filter, with_seq};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

statements! {
    /// A deleted project's history stays readable.
    PROJECT_OF_ORG = "SELECT id FROM projects WHERE id = ?2 AND org_id = ?1";
}

/// Bytes of messages in one page; a page ends early rather than growing past it.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Events looked through at once, going forwards.
const PIECE_EVENTS: u64 = 1024;

/// Which messages are asked for. With `after` or `since`: the oldest of them first; otherwise the
/// newest before `before`.
#[derive(Debug, Clone)]
pub struct MessageQuery {
    /// The org.
    pub org: OrgId,
    /// The project.
    pub project_id: ProjectId,
    /// Only messages of this time or later.
    pub since: Option<Timestamp>,
    /// Only messages after this event.
    pub after: Option<u64>,
    /// Only messages before this event.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Only messages of this direction.
    pub direction: Option<Direction>,
    /// Only messages of this kind.
    pub kind: Option<MessageKind>,
    /// Only messages whose text contains this, in any case of letters.
    pub text: Option<String>,
}

/// A page of history, in the order the messages were said.
#[derive(Debug, Clone, Default)]
pub struct MessagePage {
    /// Each an `agent_message` with `seq` first.
    pub messages: Vec<Box<RawValue>>,
    /// There are more in the direction asked for.
    pub more: bool,
    /// Number of the topic's last event.
    pub seq: u64,
    /// Parts of the range that can't be read, as first and last number.
    pub gaps: Vec<(u64, u64)>,
}

impl Store {
    /// A page of a project's history.
    ///
    /// **Errors**: [`Refusal::ProjectNotFound`] when the org never had this project.
    pub async fn messages(&self, query: MessageQuery) -> Result<MessagePage, Error> {
        let topic = Topic::Project(query.project_id);
        let found = self.read(query, messages).await?;
        self.notice(topic, found.damage).await;
        Ok(found.page)
    }
}

async fn messages(tx: &mut Tx, query: &MessageQuery) -> Result<Search, Error> {
    tx.opt(&PROJECT_OF_ORG, params![query.org, query.project_id], |_| Ok(()))
        .await?
        .ok_or(Refusal::ProjectNotFound)?;
    let mut search = Search::new(query);
    let Some(place) = place(tx, Topic::Project(query.project_id)).await? else {
        return Ok(search);
    };
    search.page.seq = place.last;
    match query.after.is_some() || query.since.is_some() {
        true => forwards(tx, &mut search, query, place).await?,
        false => backwards(tx, &mut search, query, place).await?,
    }
    search.page.gaps.sort_unstable();
    Ok(search)
}

async fn forwards(
    tx: &mut Tx,
    search: &mut Search,
    query: &MessageQuery,
    place: Place,
) -> Result<(), Error> {
    let end = query.before.unwrap_or(u64::MAX);
    let mut after = query.after.unwrap_or(0);
    while after.saturating_add(1) < end {
        let pieces = pieces_after(tx, place, after, PIECE_EVENTS).await?;
        if pieces.is_empty() {
            break;
        }
        for piece in pieces {
            let range = (after.saturating_add(1), end.saturating_sub(1));
            after = piece.last_seq;
            if !search.take(piece, range, Order::OldestFirst) {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn backwards(
    tx: &mut Tx,
    search: &mut Search,
    query: &MessageQuery,
    place: Place,
) -> Result<(), Error> {
    let mut before = query.before.unwrap_or(u64::MAX);
    'pieces: loop {
        let pieces = pieces_before(tx, place, before).await?;
        if pieces.is_empty() {
            break;
        }
        for piece in pieces {
            let range = (1, before.saturating_sub(1));
            before = piece.first_seq;
            if !search.take(piece, range, Order::NewestFirst) {
                break 'pieces;
            }
        }
    }
    search.page.messages.reverse();
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// A page under construction.
struct Search {
    filter: Filter,
    limit: usize,
    bytes: usize,
    page: MessagePage,
    damage: Vec<Found>,
}

impl Search {
    fn new(query: &MessageQuery) -> Self {
        let text = query.text.as_deref();
        let filter = Filter::new(query.since, query.direction, query.kind, text);
        let limit = query.limit.max(1);
        Self { filter, limit, bytes: 0, page: MessagePage::default(), damage: Vec::new() }
    }

    /// Takes the fitting messages of a piece that lie in `range`. `false` when the page is full
    /// and one more would fit.
    fn take(&mut self, piece: Piece, range: (u64, u64), order: Order) -> bool {
        let (first, last) = (piece.first_seq.max(range.0), piece.last_seq.min(range.1));
        if first > last {
            return true;
        }
        let mut events = match piece.content {
            Ok(events) => events,
            Err(what) => {
                self.page.gaps.push((first, last));
                let (first_seq, last_seq) = (piece.first_seq, piece.last_seq);
                self.damage.push(Found { first_seq, last_seq, what });
                return true;
            }
        };
        if order == Order::NewestFirst {
            events.reverse();
        }
        events
            .iter()
            .filter(|event| (first..=last).contains(&event.seq))
            .all(|event| self.add(event))
    }

    fn add(&mut self, event: &StoredEvent) -> bool {
        let Some(data) = self.filter.fitting(&event.body) else { return true };
        let full = self.page.messages.len() >= self.limit || self.bytes >= PAGE_BYTES_MAX;
        if full {
            self.page.more = true;
            return false;
        }
        if let Some(message) = with_seq(event.seq, data) {
            self.bytes += message.get().len();
            self.page.messages.push(message);
        }
        true
    }
}
