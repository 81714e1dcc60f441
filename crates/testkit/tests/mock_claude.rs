//! Drives the real `mock-claude` through its pipes: what runner tests rely on when they put it where `claude` would be.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]

#[path = "mock_claude/driver.rs"]
mod driver;
#[path = "mock_claude/host.rs"]
mod host;

#[path = "mock_claude/answers.rs"]
mod answers;
#[path = "mock_claude/argv.rs"]
mod argv;
#[path = "mock_claude/asking.rs"]
mod asking;
#[path = "mock_claude/control.rs"]
mod control;
#[path = "mock_claude/endings.rs"]
mod endings;
#[path = "mock_claude/scripts.rs"]
mod scripts;
#[path = "mock_claude/sessions.rs"]
mod sessions;
#[path = "mock_claude/wire.rs"]
mod wire;
