//! Rules in Claude's words: those it suggests, and those a person decided on. Pure.

use afield_proto::approval::{PermissionRule, RuleDestination};
use serde_json::{Value, json};

/// The rules in what Claude suggests. Changes of mode and of directories are none.
pub(super) fn suggested(suggestions: &[Value]) -> Vec<PermissionRule> {
    let adds =
        |suggestion: &&Value| suggestion["type"] == "addRules" && suggestion["behavior"] == "allow";
    suggestions.iter().filter(adds).flat_map(rules).collect()
}

fn rules(suggestion: &Value) -> Vec<PermissionRule> {
    let destination = match suggestion["destination"].as_str() {
        Some("session") => RuleDestination::Session,
        _ => RuleDestination::LocalSettings,
    };
    let rule = |rule: &Value| {
        let tool = rule["toolName"].as_str()?.to_owned();
        let content = rule["ruleContent"].as_str().map(str::to_owned);
        Some(PermissionRule { tool, content, destination })
    };
    suggestion["rules"].as_array().into_iter().flatten().filter_map(rule).collect()
}

/// What Claude is told to keep, one update for each place.
pub(super) fn updates(rules: &[PermissionRule]) -> Vec<Value> {
    [RuleDestination::Session, RuleDestination::LocalSettings]
        .into_iter()
        .filter_map(|destination| update(rules, destination))
        .collect()
}

fn update(rules: &[PermissionRule], destination: RuleDestination) -> Option<Value> {
    let here = rules.iter().filter(|rule| rule.destination == destination);
    let rules: Vec<Value> = here.map(written).collect();
    let place = match destination {
        RuleDestination::Session => "session",
        RuleDestination::LocalSettings => "localSettings",
    };
    let update = json!({
        "type": "addRules", "rules": rules, "behavior": "allow", "destination": place,
    });
    (!rules.is_empty()).then_some(update)
}

fn written(rule: &PermissionRule) -> Value {
    match &rule.content {
        Some(content) => json!({ "toolName": rule.tool, "ruleContent": content }),
        None => json!({ "toolName": rule.tool }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_that_allow_are_suggested() {
        let suggestions = json!([
            { "type": "setMode", "mode": "acceptEdits", "destination": "session" },
            { "type": "addRules", "behavior": "deny", "rules": [{ "toolName": "Bash" }] },
            { "type": "addRules", "behavior": "allow", "destination": "projectSettings",
              "rules": [{ "toolName": "Bash", "ruleContent": "npm test *" }, { "x": 1 }] },
        ]);
        let content = Some("npm test *".to_owned());
        let destination = RuleDestination::LocalSettings;
        let expected = PermissionRule { tool: "Bash".into(), content, destination };
        assert_eq!(suggested(suggestions.as_array().unwrap()), [expected]);
    }

    #[test]
    fn each_place_gets_its_own() {
        let rule = |content: Option<&str>, destination| PermissionRule {
            tool: "Bash".into(),
            content: content.map(str::to_owned),
            destination,
        };
        let told = updates(&[
            rule(Some("ls *"), RuleDestination::LocalSettings),
            rule(None, RuleDestination::Session),
        ]);
        let (always, session) = (&told[1], &told[0]);
        assert_eq!(
            *always,
            json!({ "type": "addRules", "behavior": "allow", "destination": "localSettings",
                "rules": [{ "toolName": "Bash", "ruleContent": "ls *" }] })
        );
        assert_eq!(session["rules"], json!([{ "toolName": "Bash" }]));
        assert_eq!(updates(&[]), Vec::<Value>::new());
    }
}
