//! How a command that was sent to whichever runner fits came to the one it is on.

use afield_proto::route::{Route, RouteCause, RouteDecision};
use owo_colors::OwoColorize as _;

use super::names::Names;
use crate::transcript::clean;

/// What was asked for and every decision, with what was found about each runner.
pub(super) fn text(route: &Route, names: &Names) -> String {
    let wish = &route.wish;
    let mut text = format!("\n{}\n  any runner where {}", "Route".bold(), clean(&wish.selector));
    if let Some(path) = &wish.path {
        text.push_str(&format!(", its project at {}", clean(path)));
    }
    text.push_str(&format!(" ({})\n", wish.mode.name()));
    for decision in &route.decisions {
        text.push_str(&decided(decision, names));
    }
    text
}

fn decided(decision: &RouteDecision, names: &Names) -> String {
    let cause = match decision.cause {
        RouteCause::Submitted => "submitted",
        RouteCause::Fits => "somebody fits",
        RouteCause::Lost => "its runner was lost",
        RouteCause::Asleep => "its runner fell asleep",
    };
    let to = match decision.runner_id {
        Some(runner) => format!("to {}", names.device(runner)),
        None => "waits".to_owned(),
    };
    let (considered, fitted) = (decision.considered, decision.fitted);
    let mut text = format!(
        "  {} {cause}: {to}: {} ({fitted} of {considered} fitted)\n",
        decision.at,
        clean(&decision.reason)
    );
    for found in &decision.candidates {
        let (verdict, runner) = (found.verdict.name(), clean(&found.runner));
        text.push_str(&format!("    {verdict:<9} {runner}: {}\n", clean(&found.reason)));
    }
    text
}
