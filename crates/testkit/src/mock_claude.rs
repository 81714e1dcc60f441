//! `mock-claude`: a deterministic stand-in for the Claude Code CLI in print mode.
//!
//! Runner tests put it where `claude` would be. It refuses the command lines the real parser refuses, speaks the same
//! NDJSON frames and control protocol, keeps transcripts on disk, and plays one of the scenarios of [`scenario_names`]
//! or a script file. It reads no clock and draws no random numbers: what it prints depends on its arguments, its
//! environment, the files it finds and what it is told, and on nothing else.
//!
//! | variable | meaning |
//! |---|---|
//! | `MOCK_CLAUDE_SCRIPT` | a script file that plays from the start of the process |
//! | `MOCK_CLAUDE_SCENARIO` | `name[,key=value…]`: the scenario of the first turn |
//! | `MOCK_CLAUDE_JOURNAL` | a file that receives one JSON line per thing that happened |
//! | `MOCK_CLAUDE_TIME_SCALE` | what every scripted delay is multiplied with (default 1.0) |
//! | `MOCK_CLAUDE_VERSION` | the version it claims to be |
//!
//! Without the first two, a marker in the prompt such as `[[mock:permission tool=Bash]]` selects the scenario.

mod argv;
mod disk;
mod frames;
mod inbox;
mod interpret;
mod journal;
mod output;
mod scenario;
mod script;
mod session;
mod spawn;
mod values;

pub use disk::project_key;
pub use scenario::scenario_names;

use std::sync::Arc;

use argv::Invocation;
use journal::Journal;

/// The whole program: what `main` of the binary calls. Returns the exit code.
pub fn run() -> i32 {
    let argv: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if let Some(code) = spawn::sleeper(&argv) {
        return code;
    }
    let journal = match Journal::from_env() {
        Ok(journal) => Arc::new(journal),
        Err(error) => {
            output::stderr(&format!("mock: cannot open the journal: {error}"));
            return session::EXIT_USAGE;
        }
    };
    let start = journal::Start::of_this_process(&argv);
    journal.start(&start);
    let code = answer(&argv, &journal, &start);
    journal.exit(code);
    code
}

fn answer(argv: &[String], journal: &Arc<Journal>, start: &journal::Start) -> i32 {
    match argv::parse(argv) {
        Ok(Invocation::Print(text)) => i32::from(output::line(&text).is_err()),
        Ok(Invocation::Session(args)) => session::run(*args, journal, start),
        Err(refusal) => {
            output::stderr(&refusal);
            1
        }
    }
}

/// The version this program claims to be.
fn version() -> String {
    std::env::var("MOCK_CLAUDE_VERSION").unwrap_or_else(|_| "2.1.329".to_owned())
}
