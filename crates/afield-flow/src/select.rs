//! Selectors over what a runner can do: `agents has "claude" and labels has "gpu" and load < 50`.
//!
//! Comparisons joined by `and`. Text is compared with `=` and `!=`, numbers also with `<`, `<=`,
//! `>`, `>=`, lists with `has`. Parsed once, evaluated against many a [`Subject`].

use afield_proto::queue::SELECTOR_BYTES_MAX;
use afield_proto::runner::RunnerFacts;

/// A parsed selector.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// Each with its own text.
    terms: Vec<(Term, String)>,
}

/// What a selector is true of, or not.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The runner's name.
    pub name: &'a str,
    /// What it said about itself.
    pub facts: &'a RunnerFacts,
    /// The labels its owner gave it.
    pub labels: &'a [String],
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Longer than allowed.
    #[error("a selector has at most {SELECTOR_BYTES_MAX} bytes")]
    TooLong,
    /// Something else was expected.
    #[error("at column {column}: expected {expected}")]
    Expected {
        /// Counted from 1.
        column: usize,
        /// What.
        expected: &'static str,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Text(TextField, bool, String),
    Number(NumberField, Comparison, u64),
    Has(List, String),
    Shell(bool),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum TextField {
    Os,
    Arch,
    Host,
    Name,
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum List {
    Agents,
    Labels,
    Tools,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum NumberField {
    Cores,
    MemoryBytes,
    Concurrency,
    Load,
    FreeSlots,
    MemoryFreeBytes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

const FIELDS: &str = "a field (os, arch, host, name, version, cores, memory_bytes, \
    memory_free_bytes, concurrency, free_slots, load, shell, agents, labels, tools)";

impl Selector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(SelectorError::TooLong);
        }
        let mut reader = Reader { text, at: 0 };
        let mut terms = vec![reader.whole_term()?];
        while reader.keyword("and") {
            terms.push(reader.whole_term()?);
        }
        match reader.rest().is_empty() {
            true => Ok(Self { terms }),
            false => Err(reader.expected("\"and\" or the end")),
        }
    }

    /// Whether a runner is meant.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.miss(subject).is_none()
    }

    /// The first part that is not true of a runner.
    pub fn miss(&self, subject: &Subject<'_>) -> Option<&str> {
        let missed = self.terms.iter().find(|(term, _)| !term.matches(subject));
        missed.map(|(_, text)| text.as_str())
    }
}

impl Term {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Text(field, equal, value) => (field.of(subject) == value) == *equal,
            Self::Number(field, comparison, value) => {
                field.of(subject.facts).is_some_and(|own| comparison.holds(own, *value))
            }
            Self::Has(list, name) => list.has(subject, name),
            Self::Shell(allowed) => subject.facts.shell == *allowed,
        }
    }
}

impl TextField {
    fn of<'a>(self, subject: &Subject<'a>) -> &'a str {
        match self {
            Self::Os => &subject.facts.os,
            Self::Arch => &subject.facts.arch,
            Self::Host => &subject.facts.host,
            Self::Name => subject.name,
            Self::Version => &subject.facts.version,
        }
    }
}

impl List {
    fn has(self, Subject { facts, labels, .. }: &Subject<'_>, name: &str) -> bool {
        match self {
            Self::Agents => {
                facts.agents.iter().any(|agent| agent.available && agent.agent.name() == name)
            }
            Self::Labels => labels.iter().chain(&facts.labels).any(|label| label == name),
            Self::Tools => facts.tools.iter().any(|tool| tool == name),
        }
    }
}

impl NumberField {
    /// `None` for what is not known: how busy a runner is that is away.
    fn of(self, facts: &RunnerFacts) -> Option<u64> {
        match self {
            Self::Cores => Some(facts.cores.into()),
            Self::MemoryBytes => Some(facts.memory_bytes),
            Self::Concurrency => Some(facts.concurrency.into()),
            Self::Load => facts.load.map(|load| load.percent.into()),
            Self::FreeSlots => facts.load.map(|load| load.free_slots.into()),
            Self::MemoryFreeBytes => facts.load.map(|load| load.memory_free_bytes),
        }
    }
}

impl Comparison {
    fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn expected(&mut self, expected: &'static str) -> SelectorError {
        self.rest();
        SelectorError::Expected { column: self.text[..self.at].chars().count() + 1, expected }
    }

    fn whole_term(&mut self) -> Result<(Term, String), SelectorError> {
        self.rest();
        let begin = self.at;
        let term = self.term()?;
        Ok((term, self.text[begin..self.at].to_owned()))
    }

    fn term(&mut self) -> Result<Term, SelectorError> {
        let before = self.at;
        let name = self.word();
        match name {
            "os" => self.text_term(TextField::Os),
            "arch" => self.text_term(TextField::Arch),
            "host" => self.text_term(TextField::Host),
            "name" => self.text_term(TextField::Name),
            "version" => self.text_term(TextField::Version),
            "cores" => self.number_term(NumberField::Cores),
            "memory_bytes" => self.number_term(NumberField::MemoryBytes),
            "concurrency" => self.number_term(NumberField::Concurrency),
            "load" => self.number_term(NumberField::Load),
            "free_slots" => self.number_term(NumberField::FreeSlots),
            "memory_free_bytes" => self.number_term(NumberField::MemoryFreeBytes),
            "agents" => self.list_term(List::Agents),
            "labels" => self.list_term(List::Labels),
            "tools" => self.list_term(List::Tools),
            "shell" => self.shell_term(),
            _ => {
                self.at = before;
                Err(self.expected(FIELDS))
            }
        }
    }

    fn text_term(&mut self, field: TextField) -> Result<Term, SelectorError> {
        let before = self.at;
        let equal = match self.comparison() {
            Some(Comparison::Equal) => true,
            Some(Comparison::Unequal) => false,
            _ => {
                self.at = before;
                return Err(self.expected("\"=\" or \"!=\""));
            }
        };
        Ok(Term::Text(field, equal, self.string()?))
    }

    fn number_term(&mut self, field: NumberField) -> Result<Term, SelectorError> {
        let comparison = self.comparison();
        let comparison = comparison.ok_or_else(|| self.expected("a comparison"))?;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number = self.text[self.at..self.at + digits].parse();
        let number = number.map_err(|_| self.expected("a whole number"))?;
        self.at += digits;
        Ok(Term::Number(field, comparison, number))
    }

    fn list_term(&mut self, list: List) -> Result<Term, SelectorError> {
        match self.keyword("has") {
            true => Ok(Term::Has(list, self.string()?)),
            false => Err(self.expected("\"has\"")),
        }
    }

    fn shell_term(&mut self) -> Result<Term, SelectorError> {
        if self.comparison() != Some(Comparison::Equal) {
            return Err(self.expected("\"=\""));
        }
        match self.word() {
            "true" => Ok(Term::Shell(true)),
            "false" => Ok(Term::Shell(false)),
            _ => Err(self.expected("true or false")),
        }
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        self.at += length;
        &rest[..length]
    }

    fn keyword(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.word() == word;
        if !found {
            self.at = before;
        }
        found
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let rest = self.rest();
        let known = [
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::AtMost),
            ("<", Comparison::Less),
            (">=", Comparison::AtLeast),
            (">", Comparison::More),
        ];
        let (sign, comparison) = known.into_iter().find(|(sign, _)| rest.starts_with(sign))?;
        self.at += sign.len();
        Some(comparison)
    }

    fn string(&mut self) -> Result<String, SelectorError> {
        let quote = |c: &char| *c == '"' || *c == '\'';
        let Some(quote) = self.rest().chars().next().filter(quote) else {
            return Err(self.expected("a text in quotes"));
        };
        let inside = &self.text[self.at + 1..];
        let Some(end) = inside.find(quote) else {
            return Err(self.expected("a text in quotes that ends"));
        };
        self.at += end + 2;
        Ok(inside[..end].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::agent::AgentKind;
    use afield_proto::live::RunnerLoad;
    use afield_proto::runner::AgentFacts;
    use proptest::prelude::*;

    fn facts() -> RunnerFacts {
        let agent = |agent, available| AgentFacts {
            agent,
            available,
            version: None,
            note: None,
            can: Vec::new(),
        };
        RunnerFacts {
            os: "linux".into(),
            cores: 8,
            agents: vec![agent(AgentKind::Claude, true), agent(AgentKind::Command, false)],
            tools: vec!["make".into()],
            labels: vec!["own".into()],
            load: Some(RunnerLoad { percent: 40, free_slots: 2, ..RunnerLoad::default() }),
            ..RunnerFacts::default()
        }
    }

    fn miss(text: &str, facts: &RunnerFacts) -> Option<String> {
        let subject = Subject { name: "box", facts, labels: &["given".to_owned()] };
        Selector::parse(text).unwrap().miss(&subject).map(str::to_owned)
    }

    #[test]
    fn comparisons_are_joined() {
        let matches = |text: &str| miss(text, &facts()).is_none();
        assert!(matches(r#"agents has "claude" and os = "linux""#));
        assert!(matches("os != 'macos' and cores >= 8 and shell = false"));
        assert!(!matches(r#"agents has "command""#), "what can't be used does not count");
        assert!(!matches("cores > 8"));
    }

    #[test]
    fn labels_tools_and_load_are_seen() {
        let matches = |text: &str| miss(text, &facts()).is_none();
        assert!(matches(r#"labels has "given" and labels has "own" and tools has "make""#));
        assert!(matches("load < 50 and free_slots >= 2 and name = 'box'"));
        assert!(!matches("load < 40") && !matches("tools has 'own'"));
        let away = RunnerFacts { load: None, ..facts() };
        let why = miss("cores >= 8  and  load  <  50", &away);
        assert_eq!(why.as_deref(), Some("load  <  50"), "what is not known is not so");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let wrong = |text: &str| Selector::parse(text).unwrap_err().to_string();
        assert!(wrong("colour = 'red'").starts_with("at column 1: expected a field"));
        assert_eq!(wrong("os < 'linux'"), "at column 4: expected \"=\" or \"!=\"");
        assert_eq!(wrong("os = linux"), "at column 6: expected a text in quotes");
        assert_eq!(wrong("cores = 1 or os = 'x'"), "at column 11: expected \"and\" or the end");
        assert_eq!(Selector::parse(&" ".repeat(2000)), Err(SelectorError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = Selector::parse(&text);
        }
    }
}
