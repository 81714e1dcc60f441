//! A conversation as lines of a terminal.
//!
//! Pure: messages go in, text comes out. What is typed out piece by piece is not written again
//! when the whole follows. Text of agents is cleaned of control characters: nothing an agent says
//! may move the cursor or speak to the terminal.

mod approval;
mod attached;
mod ending;
mod tool;

use afield_proto::agent::{AgentMessage, MessageKind};
use owo_colors::OwoColorize as _;

pub(crate) use approval::{answered, question};
pub(crate) use attached::attached;
pub(crate) use ending::{ending, steered, waiting};

/// Lines of a tool's result that are told about are cut to this many characters.
const RESULT_WIDTH: usize = 100;

/// What to show.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    /// Also what was asked (somebody else may have).
    pub prompts: bool,
    /// Also starts of turns and frames without words.
    pub everything: bool,
}

/// Turns messages into text, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    look: Look,
    /// Pieces typed out since the last whole message.
    typed: String,
    /// Whether words of the answer were shown in this turn.
    spoke: bool,
}

impl Transcript {
    /// An empty transcript.
    pub(crate) fn new(look: Look) -> Self {
        Self { look, typed: String::new(), spoke: false }
    }

    /// A prompt that is on the screen already begins a turn.
    pub(crate) fn begin_turn(&mut self) {
        self.spoke = false;
    }

    /// Whether the last text did not end its line.
    pub(crate) fn mid_line(&self) -> bool {
        !self.typed.is_empty() && !self.typed.ends_with('\n')
    }

    /// Ends a line that is still being typed, before something else is written.
    pub(crate) fn break_line(&mut self) -> &'static str {
        if self.mid_line() {
            self.typed.push('\n');
            "\n"
        } else {
            ""
        }
    }

    /// The text for a message; empty when it is not shown.
    pub(crate) fn message(&mut self, message: &AgentMessage) -> String {
        let words = clean(message.text.as_deref().unwrap_or_default());
        let text = match message.kind {
            MessageKind::Partial => return self.piece(&words, is_thinking(message)),
            MessageKind::Progress => return String::new(),
            MessageKind::Text => {
                self.spoke = true;
                self.whole(&words, |rest| rest.to_owned())
            }
            MessageKind::Thinking => self.whole(&words, |rest| rest.dimmed().to_string()),
            _ => {
                let line = self.line(message, &words);
                if line.is_empty() { line } else { format!("{}{line}", self.break_line()) }
            }
        };
        if !text.is_empty() {
            self.typed.clear();
        }
        indent(text, message.parent.is_some())
    }

    fn piece(&mut self, words: &str, thinking: bool) -> String {
        self.typed.push_str(words);
        if thinking { words.dimmed().to_string() } else { words.to_owned() }
    }

    /// A whole message: what of it was not typed out already.
    fn whole(&self, words: &str, paint: impl Fn(&str) -> String) -> String {
        let typed = self.typed.as_str();
        if words.trim().is_empty() && typed.is_empty() {
            return String::new();
        }
        match words.strip_prefix(typed) {
            Some("") => "\n".to_owned(),
            Some(rest) => format!("{}\n", paint(rest)),
            None if words.trim() == typed.trim() => "\n".to_owned(),
            None => format!("{}{}\n", if self.mid_line() { "\n" } else { "" }, paint(words)),
        }
    }

    fn line(&mut self, message: &AgentMessage, words: &str) -> String {
        let (prompts, everything) = (self.look.prompts, self.look.everything);
        match message.kind {
            MessageKind::Prompt if prompts => {
                self.spoke = false;
                let files = attached::of_frame(message.message.get());
                format!("{} {}\n{files}", "›".cyan().bold(), words.bold())
            }
            MessageKind::ToolUse => format!("{} {}\n", "●".green(), tool::used(message)),
            MessageKind::ToolResult => tool::answered(message, words),
            MessageKind::Result if !self.spoke && !words.is_empty() => format!("{words}\n"),
            MessageKind::Stdout => format!("{words}\n"),
            MessageKind::Stderr => format!("{}\n", words.dimmed()),
            MessageKind::Warning => format!("{} {words}\n", "!".yellow().bold()),
            MessageKind::System if !words.is_empty() => format!("{}\n", words.dimmed()),
            MessageKind::Init | MessageKind::System | MessageKind::Unknown if everything => {
                let said = if words.is_empty() { message.message.get() } else { words };
                format!("{}\n", crate::words::one_line(said, RESULT_WIDTH).dimmed())
            }
            _ => String::new(),
        }
    }
}

/// Whether a piece belongs to the agent's thinking.
fn is_thinking(message: &AgentMessage) -> bool {
    message.message.get().contains("thinking_delta")
}

/// What sub-agents do stands apart.
fn indent(text: String, inside: bool) -> String {
    if !inside || text.is_empty() {
        return text;
    }
    text.split_inclusive('\n').map(|line| format!("  {} {line}", "│".dimmed())).collect()
}

/// The text without anything a terminal would obey.
pub(crate) fn clean(text: &str) -> String {
    let obeyed = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars().filter(|c| !obeyed(c)).collect()
}

#[cfg(test)]
mod tests;
