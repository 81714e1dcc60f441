//! What was said: the history of a project, and a search through all of them.

use afield_proto::request::{
    GetMessages, GetMessagesReply, MessageSearch, MessageSearchReply, SearchGap,
};
use afield_proto::{ErrorBody, limits};
use afield_store::{MessageQuery, SearchCursor, SearchPage};

use crate::core::Core;
use crate::error::{from_store, invalid};
use crate::projects::named;
use crate::socket::conn::Actor;

/// Bytes of history one search looks through before it says how far it came: a fraction of a
/// second of a reader.
const SEARCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `get_messages`
pub(crate) async fn messages(
    core: &Core,
    actor: &Actor,
    ask: GetMessages,
) -> Result<GetMessagesReply, ErrorBody> {
    let limit = page_limit(ask.limit)?;
    let project_id = named(ask.project_id)?;
    core.store.project(actor.org, project_id).await.map_err(from_store)?;
    let query = MessageQuery {
        org: actor.org,
        project_id,
        since: ask.since,
        after: ask.after,
        before: ask.before,
        limit,
        direction: ask.direction,
        kind: ask.kind,
        text: ask.text.filter(|text| !text.is_empty()),
    };
    let page = core.store.messages(query).await.map_err(from_store)?;
    Ok(GetMessagesReply {
        messages: page.messages,
        more: page.more,
        seq: page.seq,
        gaps: page.gaps,
    })
}

/// `message_search`
pub(crate) async fn search(
    core: &Core,
    actor: &Actor,
    ask: MessageSearch,
) -> Result<MessageSearchReply, ErrorBody> {
    let limit = page_limit(ask.limit)?;
    let cursor = ask.before.as_deref().map(str::parse::<SearchCursor>).transpose();
    let query = afield_store::MessageSearch {
        org: actor.org,
        project_ids: ask.project_ids,
        text: Some(ask.text).filter(|text| !text.is_empty()),
        kind: ask.kind,
        direction: ask.direction,
        cursor: cursor.map_err(|error| invalid(format!("before: {error}")))?,
        limit,
        looked_bytes_max: SEARCH_BYTES_MAX,
    };
    let SearchPage { messages, cursor, reached, gaps } =
        core.store.search_messages(query).await.map_err(from_store)?;
    let gap = |(project_id, first, last)| SearchGap { project_id, first, last };
    Ok(MessageSearchReply {
        messages,
        more: cursor.is_some(),
        before: cursor.map(|cursor| cursor.to_string()),
        reached,
        gaps: gaps.into_iter().map(gap).collect(),
    })
}

/// How much a page of history or of a list has.
///
/// **Errors**: VALIDATION_FAILED for none, or more than a page takes.
pub(crate) fn page_limit(asked: Option<u32>) -> Result<usize, ErrorBody> {
    let max = limits::PAGE_MESSAGES_MAX;
    match asked.unwrap_or(limits::PAGE_MESSAGES_DEFAULT) {
        limit if (1..=max).contains(&limit) => Ok(limit as usize),
        _ => Err(invalid(format!("limit must be 1 to {max} (limit page_messages)"))),
    }
}
