//! Sessions as text. Pure but for the present.

use afield_proto::Timestamp;
use afield_proto::project::Project;
use afield_proto::session::{ContextUse, Session, TokenUsage};
use comfy_table::Table;

use crate::short_id::short;
use crate::words::{age, one_line, visible};

/// Characters of a title in a list.
const TITLE_CHARS: usize = 60;

/// A list of sessions.
pub(super) fn table(sessions: &[Session], projects: &[Project]) -> Table {
    let now = Timestamp::now();
    let heads = ["STATE", "TITLE", "PROJECT", "TURNS", "TOKENS", "LAST USED", "ID"];
    let mut table = crate::table::table(&heads, &["TITLE", "TOKENS"]);
    for session in sessions {
        let project = projects.iter().find(|project| project.id == session.project_id);
        let place = project.map_or_else(|| short(session.project_id), |one| visible(&one.path));
        table.add_row([
            session.state.name().to_owned(),
            title(session),
            place,
            session.facts.turns.to_string(),
            tokens(&session.facts.usage),
            session.last_used_at.map_or_else(|| "never".to_owned(), |at| age(at, now)),
            short(session.id),
        ]);
    }
    table
}

fn title(session: &Session) -> String {
    session
        .title
        .as_deref()
        .map_or_else(|| "(before an upgrade)".to_owned(), |title| one_line(title, TITLE_CHARS))
}

/// Everything that is known of one.
pub(super) fn whole(session: &Session) -> String {
    let facts = &session.facts;
    let known = |text: Option<&str>| one_line(text.unwrap_or("(not told)"), 200);
    let mut lines = vec![
        ("session", session.id.to_string()),
        ("title", title(session)),
        ("project", session.project_id.to_string()),
        ("state", session.state.name().to_owned()),
        ("agent", known(session.agent.map(|agent| agent.name()))),
        ("model", known(facts.model.as_deref())),
        ("permissions", known(facts.permission_mode.map(|mode| mode.name()))),
        ("turns", facts.turns.to_string()),
        ("tokens", tokens(&facts.usage)),
    ];
    lines.extend(facts.usage.cost_usd.map(|cost| ("cost", format!("${cost:.4}"))));
    lines.extend(facts.context.map(|context| ("context", filled(&context))));
    if let Some(setup) = &session.setup {
        let servers =
            setup.mcp_servers.iter().map(|server| format!("{} ({})", server.name, server.status));
        let servers: Vec<_> = servers.collect();
        for (name, list) in
            [("commands", &setup.slash_commands), ("tools", &setup.tools), ("servers", &servers)]
        {
            if !list.is_empty() {
                lines.push((name, one_line(&list.join(", "), 2000)));
            }
        }
    }
    lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}

fn tokens(usage: &TokenUsage) -> String {
    let read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
    format!("{read} in, {} out", usage.output_tokens)
}

fn filled(context: &ContextUse) -> String {
    match context.window_tokens {
        Some(window) if window > 0 => {
            let percent = context.used_tokens.saturating_mul(100) / window;
            format!("{} of {window} tokens ({percent} %)", context.used_tokens)
        }
        _ => format!("{} tokens", context.used_tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::session::{AgentSetup, SessionFacts, SessionState};
    use afield_proto::{ProjectId, SessionId};

    #[test]
    fn a_session_is_shown_with_what_is_known_of_it() {
        let usage = TokenUsage {
            input_tokens: 3,
            cache_read_tokens: 7,
            output_tokens: 2,
            cost_usd: Some(0.5),
            ..TokenUsage::default()
        };
        let context = Some(ContextUse { used_tokens: 50, window_tokens: Some(200) });
        let setup = AgentSetup { slash_commands: vec!["compact".into()], ..AgentSetup::default() };
        let mut session = Session {
            id: SessionId::generate(),
            project_id: ProjectId::generate(),
            state: SessionState::Ended,
            title: Some("fix\u{1b}[31m the test".into()),
            agent: None,
            created_at: Timestamp::now(),
            last_used_at: None,
            facts: SessionFacts { turns: 2, usage, context, ..SessionFacts::default() },
            setup: Some(setup),
        };
        let text = whole(&session);
        for line in [
            "state        ended",
            "tokens       10 in, 2 out",
            "cost         $0.5000",
            "context      50 of 200 tokens (25 %)",
            "commands     compact",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains('\u{1b}'));
        let list = table(std::slice::from_ref(&session), &[]).to_string();
        assert!(list.contains("ended") && list.contains("never"), "{list}");
        session.title = None;
        assert!(whole(&session).contains("(before an upgrade)"));
    }
}
