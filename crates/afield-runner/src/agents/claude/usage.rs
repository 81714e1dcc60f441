//! What Claude Code tells about its session: what it can do, and what a turn used. Pure.

use afield_proto::session::{AgentSetup, ContextUse, TokenUsage, TurnUsage};

use super::frame::Fields;

/// The announcement at the start of a turn.
pub(super) fn setup(init: &Fields<'_>) -> AgentSetup {
    let setup = AgentSetup {
        model: init.text("model"),
        permission_mode: init.get("permissionMode"),
        slash_commands: init.get("slash_commands").unwrap_or_default(),
        tools: init.get("tools").unwrap_or_default(),
        mcp_servers: init.get("mcp_servers").unwrap_or_default(),
    };
    setup.limited()
}

/// What is used, gathered from frame to frame.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Cost of the conversation as last told; it may be reset.
    total_cost: f64,
    /// What this process spent.
    spent: Option<f64>,
    /// Tokens of the conversation when the model last read it.
    context_tokens: Option<u64>,
}

impl Meter {
    /// What this process spent, in US dollars.
    pub(super) fn spent(&self) -> Option<f64> {
        self.spent
    }

    /// The conversation begins anew.
    pub(super) fn reset(&mut self) {
        *self = Self { spent: self.spent, ..Self::default() };
    }

    /// The model said something: it has read everything before. A sub-agent has a memory of its own.
    pub(super) fn spoke(&mut self, frame: &Fields<'_>) {
        if frame.raw("parent_tool_use_id").is_some() {
            return;
        }
        let read = all(&tokens(&frame.inner("message").inner("usage")));
        self.context_tokens = Some(read).filter(|read| *read > 0).or(self.context_tokens);
    }

    /// A turn is over. `None` for a result without a turn, such as that of a lost conversation.
    pub(super) fn turn_over(&mut self, result: &Fields<'_>) -> Option<TurnUsage> {
        let cost = result.get("total_cost_usd").map(|total| self.cost(total));
        let turns: Option<u64> = result.get("num_turns");
        if turns == Some(0) {
            return None;
        }
        let usage = TokenUsage { cost_usd: cost, ..tokens(&result.inner("usage")) };
        let window_tokens = window(result);
        let context =
            self.context_tokens.map(|used_tokens| ContextUse { used_tokens, window_tokens });
        Some(TurnUsage { usage, context })
    }

    /// Cost of this turn out of totals that grow over the conversation.
    fn cost(&mut self, total: f64) -> f64 {
        let cost = (total - self.total_cost).max(0.0);
        self.spent = Some(self.spent.unwrap_or(0.0) + cost);
        self.total_cost = total;
        cost
    }
}

fn tokens(usage: &Fields<'_>) -> TokenUsage {
    let count = |name: &str| usage.get(name).unwrap_or(0);
    TokenUsage {
        input_tokens: count("input_tokens"),
        output_tokens: count("output_tokens"),
        cache_read_tokens: count("cache_read_input_tokens"),
        cache_write_tokens: count("cache_creation_input_tokens"),
        cost_usd: None,
    }
}

fn all(usage: &TokenUsage) -> u64 {
    let TokenUsage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, .. } =
        *usage;
    let counts = [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens];
    counts.into_iter().fold(0, u64::saturating_add)
}

/// The largest window of the models that worked: helpers are smaller.
fn window(result: &Fields<'_>) -> Option<u64> {
    let models: std::collections::HashMap<String, &serde_json::value::RawValue> =
        result.get("modelUsage").unwrap_or_default();
    let windows = models.values().filter_map(|model| Fields::of(model.get()).get("contextWindow"));
    windows.filter(|window| *window > 0).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::agent::PermissionMode;

    #[test]
    fn an_announcement_is_read_leniently() {
        let init = r#"{"model":"m","permissionMode":"plan","slash_commands":["compact",""],"tools":["Bash"],
            "mcp_servers":[{"name":"docs","status":"connected"},{"name":"x"}]}"#;
        let read = setup(&Fields::of(init));
        assert_eq!(
            (read.model.as_deref(), read.permission_mode),
            (Some("m"), Some(PermissionMode::Plan))
        );
        assert_eq!(
            (read.slash_commands, read.tools),
            (vec!["compact".into()], vec!["Bash".into()])
        );
        assert_eq!(read.mcp_servers.len(), 2);
        let odd = r#"{"model":7,"permissionMode":"wild","slash_commands":"x","tools":[1]}"#;
        assert_eq!(setup(&Fields::of(odd)), AgentSetup::default());
    }

    #[test]
    fn a_turn_costs_what_the_total_grew_by() {
        let mut meter = Meter::default();
        let result = |total: f64| {
            format!(r#"{{"num_turns":1,"total_cost_usd":{total},"usage":{{"input_tokens":3}}}}"#)
        };
        let cost = |meter: &mut Meter, total| {
            meter.turn_over(&Fields::of(&result(total))).unwrap().usage.cost_usd.unwrap()
        };
        assert_eq!((cost(&mut meter, 0.5), cost(&mut meter, 0.75)), (0.5, 0.25));
        meter.reset();
        assert_eq!((cost(&mut meter, 0.25), meter.spent()), (0.25, Some(1.0)));
        let lost = r#"{"num_turns":0,"total_cost_usd":0.25,"usage":{}}"#;
        assert!(meter.turn_over(&Fields::of(lost)).is_none());
    }

    #[test]
    fn the_context_is_what_the_model_read_last() {
        let mut meter = Meter::default();
        let said = |parent: &str, read: u64| {
            format!(
                r#"{{"parent_tool_use_id":{parent},"message":{{"usage":{{"input_tokens":3,"cache_read_input_tokens":{read},"output_tokens":1}}}}}}"#
            )
        };
        let result = r#"{"num_turns":1,"modelUsage":{"big":{"contextWindow":200000},"small":{"contextWindow":9}}}"#;
        assert_eq!(meter.turn_over(&Fields::of(result)).unwrap().context, None);
        meter.spoke(&Fields::of(&said("null", 16_000)));
        meter.spoke(&Fields::of(&said("\"t\"", 90_000)));
        meter.spoke(&Fields::of(r#"{"message":{}}"#));
        let context = meter.turn_over(&Fields::of(result)).unwrap().context;
        assert_eq!(context, Some(ContextUse { used_tokens: 16_004, window_tokens: Some(200_000) }));
    }
}
