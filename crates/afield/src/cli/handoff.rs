//! `afield handoff`: which screen holds the focus, and what it shows.

use afield_proto::Timestamp;
use afield_proto::handoff::Handoff;
use afield_proto::request::HandoffGet;

use crate::connect::{Global, ask};
use crate::exit::Exit;
use crate::words::{age, one_line};
use crate::{Outcome, out};

/// Does it.
pub(super) async fn run(global: &Global) -> Outcome {
    let handoff = ask(global, &HandoffGet {}).await?;
    if global.json {
        out::json(&handoff);
    } else {
        out::line(text(&handoff, Timestamp::now()));
    }
    Ok(Exit::Done)
}

fn text(handoff: &Handoff, now: Timestamp) -> String {
    let holder = match &handoff.holder {
        Some(holder) => {
            format!("{}, since {}", one_line(&holder.device_name, 40), age(handoff.since, now))
        }
        None => "no screen".to_owned(),
    };
    let shown = match handoff.focus.project_id {
        Some(project) => format!("project {project}; here: afield attach --here"),
        None => "nothing yet".to_owned(),
    };
    format!("focus    {holder}\nshows    {shown}")
}
