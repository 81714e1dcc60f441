//! What can be typed in `afield attach`.

use afield_proto::agent::PermissionMode;
use afield_proto::queue::SendMode;

use crate::cli::run::permission_mode;

/// The words, for `/help`.
pub(super) const HELP: &str = "\
A line is a prompt for the agent; while it works, the prompt waits. Lines with a slash are orders:
  /steer TEXT          a prompt into the running turn, or else first in the queue
  /interrupt TEXT      end the turn, then this prompt
  /allow [n]           yes to the oldest question (or the n-th); /session [n] for the session
  /deny [n] [reason]   no, and why
  /answer TEXT         answer a question: number or words, several separated by ;
  /mode MODE           change when the running agent asks
  /interrupt           end the turn; the conversation can go on
  /stop                stop the agent with every process it made
  /new                 start a new conversation with the next prompt
  /history N           the last N messages
  /here                continue here: this screen holds the focus
  /offer DEVICE        ask another device to continue
  /quit                leave; the agent goes on";

/// One typed line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// Nothing.
    Nothing,
    /// A prompt.
    Prompt(String, SendMode),
    /// Yes to a question, by its place in the list.
    Allow { place: usize, for_session: bool },
    /// No, and why.
    Deny { place: usize, reason: String },
    /// The answer to a question in words.
    Answer(String),
    /// Another permission mode.
    Mode(PermissionMode),
    /// End the turn.
    Interrupt,
    /// Stop the agent.
    Stop,
    /// A new conversation.
    New,
    /// So many messages of the past.
    History(u32),
    /// This screen takes the focus.
    Here,
    /// Another device is asked to continue.
    Offer(String),
    /// The words that are understood.
    Help,
    /// Leave.
    Quit,
    /// Not understood, and why.
    Wrong(String),
}

/// Reads a typed line.
pub(super) fn read(line: &str) -> Order {
    let line = line.trim();
    let Some(order) = line.strip_prefix('/') else {
        return if line.is_empty() { Order::Nothing } else { prompt(line, SendMode::Queue) };
    };
    let (word, rest) = order.split_once(char::is_whitespace).unwrap_or((order, ""));
    let (place, words) = numbered(rest.trim());
    match word {
        "allow" | "yes" | "y" => Order::Allow { place, for_session: false },
        "session" | "s" => Order::Allow { place, for_session: true },
        "deny" | "no" | "n" => Order::Deny { place, reason: words.to_owned() },
        "answer" | "a" => Order::Answer(rest.trim().to_owned()),
        "mode" => permission_mode(rest.trim()).map_or_else(Order::Wrong, Order::Mode),
        "steer" if rest.trim().is_empty() => Order::Wrong("write /steer TEXT".to_owned()),
        "steer" => prompt(rest, SendMode::Steer),
        "interrupt" if rest.trim().is_empty() => Order::Interrupt,
        "interrupt" => prompt(rest, SendMode::Interrupt),
        "stop" | "kill" => Order::Stop,
        "new" => Order::New,
        "history" => Order::History(rest.trim().parse().unwrap_or(30)),
        "here" => Order::Here,
        "offer" if rest.trim().is_empty() => Order::Wrong("write /offer DEVICE".to_owned()),
        "offer" => Order::Offer(rest.trim().to_owned()),
        "help" | "?" => Order::Help,
        "quit" | "q" | "exit" => Order::Quit,
        _ => Order::Wrong(format!("there is no order /{word}; /help lists them")),
    }
}

fn prompt(text: &str, mode: SendMode) -> Order {
    Order::Prompt(text.trim().to_owned(), mode)
}

/// `2 because` is the second, because; without a number the first is meant.
fn numbered(rest: &str) -> (usize, &str) {
    let (first, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match first.parse::<usize>() {
        Ok(place) if place > 0 => (place - 1, words.trim()),
        _ => (0, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_prompts_and_slashes_are_orders() {
        assert_eq!(read("  fix it "), prompt("fix it", SendMode::Queue));
        assert_eq!(read("/steer use tabs"), prompt("use tabs", SendMode::Steer));
        assert_eq!(read("/interrupt stop that"), prompt("stop that", SendMode::Interrupt));
        assert_eq!(read("/interrupt"), Order::Interrupt);
        assert!(matches!(read("/steer"), Order::Wrong(_)));
        assert_eq!(read(""), Order::Nothing);
        assert_eq!(read("/allow"), Order::Allow { place: 0, for_session: false });
        assert_eq!(read("/session 2"), Order::Allow { place: 1, for_session: true });
        assert_eq!(read("/deny 2 not now"), Order::Deny { place: 1, reason: "not now".into() });
        assert_eq!(read("/deny not now"), Order::Deny { place: 0, reason: "not now".into() });
        assert_eq!(read("/mode acceptedits"), Order::Mode(PermissionMode::AcceptEdits));
        assert!(matches!(read("/mode x"), Order::Wrong(why) if why.contains("plan")));
        assert_eq!(read("/history 5"), Order::History(5));
        assert_eq!(read("/here"), Order::Here);
        assert_eq!(read("/offer my phone"), Order::Offer("my phone".into()));
        assert!(matches!(read("/dance"), Order::Wrong(why) if why.contains("/help")));
    }

    #[test]
    fn help_names_every_order() {
        for word in [
            "allow",
            "session",
            "deny",
            "answer",
            "mode",
            "interrupt",
            "steer",
            "stop",
            "new",
            "history",
            "here",
            "offer",
            "quit",
        ] {
            assert!(HELP.contains(&format!("/{word}")), "{word}");
        }
    }
}
