//! `afield explain`: the page of an error code.

use afield_proto::ErrorCode;

use crate::connect::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{Outcome, out};

/// `afield explain`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The code, such as PROJECT_NOT_FOUND; without it all codes are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Does it.
pub(super) fn run(global: &Global, args: &Args) -> Outcome {
    let Some(name) = &args.code else {
        list(global.json);
        return Ok(Exit::Done);
    };
    let code = ErrorCode::from_name(&name.replace('-', "_")).ok_or_else(|| {
        Failure::usage(format!("there is no error code {name}"))
            .with_next("all codes: afield explain")
    })?;
    if global.json {
        out::json(&row(code));
    } else {
        out::text(code.page());
    }
    Ok(Exit::Done)
}

fn row(code: ErrorCode) -> serde_json::Value {
    serde_json::json!({
        "code": code,
        "http_status": code.http_status(),
        "close_code": code.close_code(),
        "retryable": code.retryable(),
        "page": code.page(),
    })
}

fn list(json: bool) {
    for code in ErrorCode::all() {
        if json {
            out::json(&row(code));
        } else {
            out::line(format!("{:<20} {}", code.name(), meaning(code)));
        }
    }
}

/// The first sentence of a code's page.
fn meaning(code: ErrorCode) -> String {
    let after = code.page().split("## Meaning").nth(1).unwrap_or_default();
    let paragraph = after.trim().split("\n\n").next().unwrap_or_default();
    crate::words::one_line(paragraph.split(". ").next().unwrap_or_default(), 90)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_meaning_in_one_line() {
        for code in ErrorCode::all() {
            assert!(meaning(code).len() > 10, "{code}");
        }
    }
}
