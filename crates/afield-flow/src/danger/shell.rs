//! A shell line taken apart into the programs it starts and the files it writes.
//!
//! Only as far as needed to rate it, and without guessing: what this does not understand is said to
//! be unreadable.

use super::{Finding, place, programs};

/// How deep one line may start others (`sh -c "sh -c …"`).
const DEPTH_MAX: usize = 8;

/// Programs that carry out what they are given to read.
const INTERPRETERS: [&str; 10] =
    ["sh", "bash", "zsh", "dash", "fish", "python", "python3", "node", "perl", "ruby"];

/// Words that stand before a program and start none.
const KEYWORDS: [&str; 12] =
    ["do", "then", "else", "elif", "if", "while", "until", "!", "{", "}", "fi", "done"];

/// A word, or what stands between words.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// What follows reads what came before.
    Pipe,
    /// `;`, `&&`, `||`, `&`, a new line, a parenthesis.
    End,
    /// The next word is a file that is written.
    Into,
    /// The next word is a file that is read.
    From,
}

/// What was found in a line.
pub(super) fn rate(line: &str, directory: &str) -> Vec<Finding> {
    rate_at(line, directory, 0)
}

pub(super) fn rate_at(line: &str, directory: &str, depth: usize) -> Vec<Finding> {
    let tokens = if depth < DEPTH_MAX { tokens(line) } else { None };
    let Some(tokens) = tokens else { return vec![unreadable()] };
    let mut findings = Vec::new();
    let (mut words, mut is_piped) = (Vec::new(), false);
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => words.push(word),
            Token::Into => match tokens.next() {
                Some(Token::Word(file)) => findings.push(place::write(&file, directory)),
                _ => findings.push(unreadable()),
            },
            Token::From => match tokens.next() {
                Some(Token::Word(_)) => {}
                _ => findings.push(unreadable()),
            },
            end @ (Token::Pipe | Token::End) => {
                findings.extend(command(&std::mem::take(&mut words), is_piped, directory, depth));
                is_piped = end == Token::Pipe;
            }
        }
    }
    findings.extend(command(&words, is_piped, directory, depth));
    if findings.is_empty() {
        findings.push(Finding::Works);
    }
    findings
}

fn unreadable() -> Finding {
    Finding::Destroys("can't be read with certainty".to_owned())
}

/// One program with its arguments.
fn command(words: &[String], is_piped: bool, directory: &str, depth: usize) -> Vec<Finding> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut findings = inner(&words, directory, depth);
    let is_before = |word: &&&str| KEYWORDS.contains(*word) || is_assignment(word);
    let before = words.iter().take_while(is_before).count();
    if words[..before].iter().any(|word| is_assignment(word)) {
        // A setting may change what a program does.
        findings.push(Finding::Works);
    }
    let Some((program, arguments)) = words[before..].split_first() else { return findings };
    if program.contains(['$', '`', '*']) {
        findings.push(unreadable());
        return findings;
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    findings.push(programs::rate(name, arguments, directory, depth));
    if is_piped && INTERPRETERS.contains(&name) && reads_program(arguments) {
        findings.push(Finding::Destroys(format!("has {name} carry out what it is sent")));
    }
    findings
}

/// Whether an interpreter with these arguments carries out what it reads.
fn reads_program(arguments: &[&str]) -> bool {
    let names_another = arguments.iter().any(|argument| !argument.starts_with('-'));
    !names_another || arguments.iter().any(|argument| ["-", "-s"].contains(argument))
}

/// What is started inside the words: `$(…)` and backticks.
fn inner(words: &[&str], directory: &str, depth: usize) -> Vec<Finding> {
    let nested = words.iter().filter(|word| word.contains("$(") || word.contains('`'));
    nested.flat_map(|word| substitutions(word, directory, depth)).collect()
}

fn substitutions(word: &str, directory: &str, depth: usize) -> Vec<Finding> {
    let Some((_, rest)) = word.split_once("$(") else { return vec![unreadable()] };
    match rest.rsplit_once(')') {
        Some((line, _)) if !line.contains('`') => rate_at(line, directory, depth + 1),
        _ => vec![unreadable()],
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The words of a line and what stands between them; `None` for quotes that do not end, and for
/// texts that go on in further lines.
fn tokens(line: &str) -> Option<Vec<Token>> {
    let mut reader = Reader { letters: line.chars().peekable(), word: None, tokens: Vec::new() };
    while let Some(letter) = reader.letters.next() {
        reader.take(letter)?;
    }
    reader.end_word();
    Some(reader.tokens)
}

struct Reader<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    word: Option<String>,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn take(&mut self, letter: char) -> Option<()> {
        match letter {
            '\'' => self.until('\'')?,
            '"' => self.until('"')?,
            '`' => {
                self.push('`');
                self.until('`')?;
                self.push('`');
            }
            '\\' => match self.letters.next()? {
                '\n' => {}
                escaped => self.push(escaped),
            },
            '$' if self.letters.peek() == Some(&'(') => self.substitution()?,
            '#' if self.word.is_none() => while self.letters.next_if(|it| *it != '\n').is_some() {},
            '|' => self.pipe(),
            '>' => self.into(),
            '<' => self.from()?,
            ';' | '&' | '\n' | '(' | ')' => self.between(Token::End),
            letter if letter.is_whitespace() => self.end_word(),
            letter => self.push(letter),
        }
        Some(())
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn end_word(&mut self) {
        self.tokens.extend(self.word.take().map(Token::Word));
    }

    fn between(&mut self, token: Token) {
        self.end_word();
        self.tokens.push(token);
    }

    /// Takes what stands in quotes into the word.
    fn until(&mut self, quote: char) -> Option<()> {
        self.word.get_or_insert_default();
        loop {
            match self.letters.next()? {
                letter if letter == quote => return Some(()),
                '\\' if quote == '"' => {
                    let escaped = self.letters.next()?;
                    self.push(escaped);
                }
                letter => self.push(letter),
            }
        }
    }

    /// Takes `$(…)` into the word, as it stands.
    fn substitution(&mut self) -> Option<()> {
        self.push('$');
        let mut open = 0;
        loop {
            let letter = self.letters.next()?;
            self.push(letter);
            match letter {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    fn pipe(&mut self) {
        let is_or = self.letters.next_if_eq(&'|').is_some();
        self.between(if is_or { Token::End } else { Token::Pipe });
    }

    /// `>`, `>>`, `>|`, `2>`, `>&`; `2>&1` writes no file.
    fn into(&mut self) {
        if self.word.as_ref().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        let _ = self.letters.next_if(|it| ['>', '|'].contains(it));
        if self.letters.next_if_eq(&'&').is_some() {
            let to_number = |it: &char| it.is_ascii_digit() || *it == '-';
            if self.letters.next_if(to_number).is_some() {
                while self.letters.next_if(to_number).is_some() {}
                return;
            }
        }
        self.tokens.push(Token::Into);
    }

    /// `<`; a text in further lines (`<<`) and a program as a file (`<(`) are not read.
    fn from(&mut self) -> Option<()> {
        match self.letters.peek() {
            Some('<' | '(') => None,
            _ => {
                self.between(Token::From);
                Some(())
            }
        }
    }
}
