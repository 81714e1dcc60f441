//! A search through the history of many projects at once, newest first.
//!
//! Each project is read backwards by itself; the one that can have the newest message left goes
//! on. What one call looks through is bounded: it ends with what it found and says how far it came.

use afield_proto::agent::{Direction, MessageKind};
use afield_proto::{OrgId, ProjectId, Timestamp, Topic};
use serde_json::value::RawValue;

use super::cursor::{Position, SearchCursor};
use super::filter::{Filter, with_fields};
use crate::log::damage::Found;
use crate::log::read::{Piece, Place, pieces_before, place};
use crate::sql::{params, statements};
use crate::tx::Tx;
use crate::{Error, Refusal, Store};

statements! {
    LIVE_PROJECTS = "SELECT id, number FROM projects WHERE org_id = ?1 AND deleted_at IS NULL \
        ORDER BY id";
}

/// Bytes of messages in one page; a page ends early rather than growing past it.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub struct MessageSearch {
    /// The org.
    pub org: OrgId,
    /// Only in these projects.
    pub project_ids: Option<Vec<ProjectId>>,
    /// Only messages whose text contains this, in any case of letters.
    pub text: Option<String>,
    /// Only messages of this kind.
    pub kind: Option<MessageKind>,
    /// Only messages of this direction.
    pub direction: Option<Direction>,
    /// Where the last page ended.
    pub cursor: Option<SearchCursor>,
    /// At most so many.
    pub limit: usize,
    /// When so many bytes of history were looked through, the page ends.
    pub looked_bytes_max: usize,
}

/// A page of what was found.
#[derive(Debug, Clone, Default)]
pub struct SearchPage {
    /// Each an `agent_message` with `project_id` and `seq` first; the newest first.
    pub messages: Vec<Box<RawValue>>,
    /// Where to go on; `None` when everything was looked through.
    pub cursor: Option<SearchCursor>,
    /// Everything newer was looked through, when there is more.
    pub reached: Option<Timestamp>,
    /// Parts on the way that can't be read, as first and last number.
    pub gaps: Vec<(ProjectId, u64, u64)>,
}

impl Store {
    /// A page of what fits in the org's live projects, or in some of them.
    ///
    /// **Errors**: [`Refusal::ProjectNotFound`] for a project the org does not have.
    pub async fn search_messages(&self, query: MessageSearch) -> Result<SearchPage, Error> {
        let (page, damage) = self.read(query, search).await?;
        for (project_id, found) in damage {
            self.notice(Topic::Project(project_id), found).await;
        }
        Ok(page)
    }
}

type Damage = Vec<(ProjectId, Vec<Found>)>;

async fn search(tx: &mut Tx, query: &MessageSearch) -> Result<(SearchPage, Damage), Error> {
    let text = query.text.as_deref();
    let filter = Filter::new(None, query.direction, query.kind, text);
    let mut sources = sources(tx, query).await?;
    let mut page = SearchPage::default();
    let (mut looked, mut bytes) = (0, 0);
    while let Some(source) = newest(&mut sources) {
        match source.found.pop() {
            Some(message) if page.messages.len() < query.limit && bytes < PAGE_BYTES_MAX => {
                bytes += message.json.get().len();
                page.messages.push(message.json);
            }
            Some(message) => {
                source.found.push(message);
                break;
            }
            None if looked >= query.looked_bytes_max => break,
            None => looked += source.look(tx, &filter).await?,
        }
    }
    page.reached = newest(&mut sources).and_then(|source| source.newest());
    let left: Vec<_> =
        sources.iter().filter(|source| !source.at_end).map(Source::position).collect();
    page.cursor = (!left.is_empty()).then_some(SearchCursor(left));
    page.gaps = sources.iter().flat_map(Source::gaps).collect();
    let damage = sources.into_iter().map(|source| (source.id, source.damage)).collect();
    Ok((page, damage))
}

/// The one whose next message is the newest, as far as is known.
fn newest(sources: &mut [Source]) -> Option<&mut Source> {
    let left = sources.iter_mut().filter(|source| !source.at_end);
    // What was not looked at may have anything.
    left.max_by_key(|source| source.newest().map_or(i64::MAX, Timestamp::unix_ms))
}

/// Where the search goes on: everywhere it may, or where the cursor says. A project that came
/// after the first page has only what is newer than that.
async fn sources(tx: &mut Tx, query: &MessageSearch) -> Result<Vec<Source>, Error> {
    let rows = |row: &crate::sql::Row<'_>| Ok((row.id::<ProjectId>(0)?, row.int(1)?));
    let live = tx.all(&LIVE_PROJECTS, params![query.org], rows).await?;
    let wanted = query.project_ids.as_deref();
    if wanted.is_some_and(|ids| !ids.iter().all(|id| live.iter().any(|(known, _)| known == id))) {
        return Err(Refusal::ProjectNotFound.into());
    }
    let wanted = live.into_iter().filter(|(id, _)| wanted.is_none_or(|ids| ids.contains(id)));
    let start = |number| match &query.cursor {
        Some(cursor) => cursor.0.iter().find(|position| position.number == number).copied(),
        None => Some(Position { number, before: u64::MAX, newest: None }),
    };
    Ok(wanted.filter_map(|(id, number)| Some(Source::new(id, start(number)?))).collect())
}

/// A message that fits.
struct Fitting {
    seq: u64,
    at: Timestamp,
    json: Box<RawValue>,
}

/// The history of one project, read backwards.
struct Source {
    id: ProjectId,
    /// How far it was read.
    position: Position,
    place: Option<Place>,
    /// Nothing is left of it.
    at_end: bool,
    /// What fits and was not given out, oldest first.
    found: Vec<Fitting>,
    damage: Vec<Found>,
}

impl Source {
    fn new(id: ProjectId, position: Position) -> Self {
        Self { id, position, place: None, at_end: false, found: Vec::new(), damage: Vec::new() }
    }

    /// Nothing that is left is newer than this.
    fn newest(&self) -> Option<Timestamp> {
        self.found.last().map(|message| message.at).or(self.position.newest)
    }

    /// Where the next page goes on in it.
    fn position(&self) -> Position {
        match self.found.last() {
            Some(Fitting { seq, at, .. }) => {
                Position { before: seq + 1, newest: Some(*at), ..self.position }
            }
            None => self.position,
        }
    }

    /// What can't be read of the part the next page leaves out.
    fn gaps(&self) -> impl Iterator<Item = (ProjectId, u64, u64)> {
        let before = self.position().before;
        let passed = self.damage.iter().filter(move |gap| self.at_end || gap.first_seq >= before);
        passed.map(|gap| (self.id, gap.first_seq, gap.last_seq))
    }

    /// Reads the next part of it; how many bytes that were.
    async fn look(&mut self, tx: &mut Tx, filter: &Filter) -> Result<usize, Error> {
        if self.place.is_none() {
            self.place = place(tx, Topic::Project(self.id)).await?;
        }
        let pieces = match self.place {
            Some(place) => pieces_before(tx, place, self.position.before).await?,
            None => Vec::new(),
        };
        self.at_end = pieces.is_empty();
        let mut bytes = 0;
        for piece in pieces {
            bytes += self.take(piece, filter);
        }
        self.found.reverse();
        Ok(bytes)
    }

    /// Takes what fits of a piece, the newest first.
    fn take(&mut self, piece: Piece, filter: &Filter) -> usize {
        let before = std::mem::replace(&mut self.position.before, piece.first_seq);
        let events = match piece.content {
            Ok(events) => events,
            Err(what) => {
                let Piece { first_seq, last_seq, .. } = piece;
                self.damage.push(Found { first_seq, last_seq, what });
                return 0;
            }
        };
        self.position.newest = events.first().map(|event| event.at).or(self.position.newest);
        for event in events.iter().rev().filter(|event| event.seq < before) {
            let front = format!("\"project_id\":\"{}\",\"seq\":{}", self.id, event.seq);
            let json = filter.fitting(&event.body).and_then(|data| with_fields(&front, data));
            let fitting = json.map(|json| Fitting { seq: event.seq, at: event.at, json });
            self.found.extend(fitting);
        }
        events.iter().map(|event| event.body.len()).sum()
    }
}
