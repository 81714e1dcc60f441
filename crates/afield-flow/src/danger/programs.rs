//! What single programs do, by their name and arguments.

use super::shell::rate_at;
use super::{Finding, place};

/// Programs that only look.
const LOOKING: [&str; 31] = [
    "ls", "pwd", "cat", "head", "tail", "wc", "grep", "egrep", "rg", "echo", "printf", "true",
    "false", "test", "[", "which", "type", "stat", "file", "du", "df", "date", "whoami", "uname",
    "id", "tree", "basename", "dirname", "realpath", "diff", "cmp",
];
/// Options with which these do more than look.
const NOT_LOOKING: [&str; 5] = ["--pre", "--output", "--set", "-o", "-s"];
/// Programs that start another one, named in their arguments.
const STARTING: [&str; 9] =
    ["env", "nohup", "time", "command", "exec", "xargs", "nice", "timeout", "stdbuf"];
/// Programs that carry out a line given with `-c`.
const SHELLS: [&str; 5] = ["sh", "bash", "zsh", "dash", "fish"];
/// Programs that become somebody else.
const RISING: [&str; 4] = ["sudo", "doas", "su", "pkexec"];
/// Programs that destroy by what they are, with what they do.
const DESTROYING: [(&str, &str); 16] = [
    ("dd", "writes raw bytes"),
    ("shred", "destroys files"),
    ("mkfs", "makes a file system anew"),
    ("fdisk", "changes partitions"),
    ("parted", "changes partitions"),
    ("wipefs", "destroys a file system"),
    ("truncate", "cuts files"),
    ("shutdown", "stops the machine"),
    ("reboot", "stops the machine"),
    ("poweroff", "stops the machine"),
    ("halt", "stops the machine"),
    ("killall", "stops processes by name"),
    ("pkill", "stops processes by name"),
    ("eval", "carries out a text put together"),
    ("crontab", "changes what runs by itself"),
    ("dropdb", "destroys a database"),
];
/// Programs with the words after them that destroy or give away, with what they do.
const WORDS: [(&str, &[&str], &str); 18] = [
    ("docker", &["rm", "rmi", "prune", "down"], "removes containers, images or volumes"),
    ("kubectl", &["delete", "drain"], "removes from a cluster"),
    ("terraform", &["destroy", "apply"], "changes infrastructure"),
    ("systemctl", &["stop", "disable", "mask", "restart"], "changes services"),
    ("npm", &["publish", "unpublish"], "publishes a package"),
    ("pnpm", &["publish", "unpublish"], "publishes a package"),
    ("yarn", &["publish"], "publishes a package"),
    ("cargo", &["publish", "yank"], "publishes a package"),
    ("twine", &["upload"], "publishes a package"),
    ("gh", &["delete", "merge", "publish"], "changes what others see"),
    ("rsync", &["--delete", "--delete-after", "--delete-before"], "removes at the other end"),
    (
        "find",
        &["-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprintf", "-fls"],
        "does something to what it finds",
    ),
    ("chmod", &["-R", "--recursive"], "changes the rights of a tree"),
    ("chown", &["-R", "--recursive"], "changes the owner of a tree"),
    ("kill", &["-9", "-KILL", "-SIGKILL"], "stops processes without warning"),
    ("apt", &["remove", "purge", "autoremove"], "removes packages"),
    ("apt-get", &["remove", "purge", "autoremove"], "removes packages"),
    ("redis-cli", &["flushall", "FLUSHALL", "flushdb", "FLUSHDB"], "destroys a database"),
];
/// Programs whose last argument is written.
const COPYING: [&str; 4] = ["cp", "mv", "ln", "install"];
/// Words of a database's language that destroy.
const SQL: [&str; 3] = ["drop ", "truncate ", "delete from "];
/// Programs that speak it.
const DATABASES: [&str; 4] = ["psql", "mysql", "sqlite3", "mariadb"];

/// What a program does with these arguments.
pub(super) fn rate(name: &str, arguments: &[&str], directory: &str, depth: usize) -> Finding {
    let destroys = |what: &str| Finding::Destroys(format!("{name} {what}"));
    if RISING.contains(&name) {
        return destroys("acts as another user");
    }
    if let Some((_, what)) = DESTROYING.iter().find(|(program, _)| {
        name == *program || name.strip_prefix(program).is_some_and(|rest| rest.starts_with('.'))
    }) {
        return destroys(what);
    }
    if let Some((_, _, what)) = WORDS.iter().find(|(program, words, _)| {
        *program == name && arguments.iter().any(|argument| words.contains(argument))
    }) {
        return destroys(what);
    }
    match name {
        "rm" | "rmdir" | "unlink" => rm(name, arguments, directory),
        "git" => git(arguments),
        "tee" => worst(files(arguments).map(|file| place::write(file, directory))),
        name if COPYING.contains(&name) => {
            files(arguments).last().map_or(Finding::Works, |file| place::write(file, directory))
        }
        name if SHELLS.contains(&name) => shell(arguments, directory, depth),
        name if STARTING.contains(&name) => started(arguments, directory, depth),
        name if DATABASES.contains(&name) => database(name, arguments),
        // `find` that does more was found before.
        name if LOOKING.contains(&name) || name == "find" => look(arguments, directory),
        _ => Finding::Works,
    }
}

/// Looking elsewhere may show what is nobody's business.
fn look(arguments: &[&str], directory: &str) -> Finding {
    let does_more =
        arguments.iter().any(|argument| NOT_LOOKING.iter().any(|it| argument.starts_with(it)));
    match !does_more && files(arguments).all(|file| place::is_inside(file, directory)) {
        true => Finding::Looks,
        false => Finding::Works,
    }
}

fn files<'a>(arguments: &'a [&'a str]) -> impl DoubleEndedIterator<Item = &'a str> {
    arguments.iter().copied().filter(|argument| !argument.starts_with('-'))
}

/// Letters of options given in one word, such as the `r` and `f` of `-rf`.
fn has_letter(arguments: &[&str], letters: &[char]) -> bool {
    let mut short = arguments.iter().filter_map(|it| it.strip_prefix('-'));
    short.any(|word| !word.starts_with('-') && word.contains(letters))
}

fn rm(name: &str, arguments: &[&str], directory: &str) -> Finding {
    if has_letter(arguments, &['r', 'R']) || arguments.contains(&"--recursive") {
        return Finding::Destroys(format!("{name} removes whole directories"));
    }
    if has_letter(arguments, &['f']) || arguments.contains(&"--force") {
        return Finding::Destroys(format!("{name} removes without asking"));
    }
    match files(arguments).find(|file| file.contains('*') || !place::is_inside(file, directory)) {
        Some(file) => Finding::Destroys(format!("{name} removes {file}")),
        None => Finding::Works,
    }
}

fn git(arguments: &[&str]) -> Finding {
    let Some(Verb { verb, rest, is_set }) = git_verb(arguments) else { return Finding::Works };
    let has = |words: &[&str]| rest.iter().any(|argument| words.contains(argument));
    let destroys = |what: &str| Finding::Destroys(format!("git {verb} {what}"));
    match verb {
        "push"
            if has(&["--force", "--mirror", "--delete", "--prune"])
                || has_letter(rest, &['f', 'd']) =>
        {
            destroys("overwrites or removes what others have")
        }
        "push" if rest.iter().any(|argument| argument.starts_with("--force")) => {
            destroys("overwrites what others have")
        }
        "push" if files(rest).any(|argument| argument.starts_with(['+', ':'])) => {
            destroys("overwrites or removes what others have")
        }
        "reset" if has(&["--hard", "--merge"]) => destroys("throws changes away"),
        "clean" => destroys("removes files git does not know"),
        "checkout" if has(&["--", ".", "--force"]) || has_letter(rest, &['f']) => {
            destroys("throws changes away")
        }
        "restore" if !has(&["--staged", "-S"]) => destroys("throws changes away"),
        "branch" | "tag" if has(&["--delete"]) || has_letter(rest, &['D', 'd']) => {
            destroys("removes a name")
        }
        "stash" if has(&["drop", "clear"]) => destroys("throws changes away"),
        "filter-branch" | "filter-repo" => destroys("writes history anew"),
        _ if is_set => Finding::Works,
        "status" | "log" | "diff" | "show" | "blame" | "rev-parse" | "ls-files" | "describe"
            if !rest.iter().any(|it| it.starts_with("--output")) =>
        {
            Finding::Looks
        }
        "branch" | "remote" if rest.is_empty() => Finding::Looks,
        _ => Finding::Works,
    }
}

/// What git is to do.
struct Verb<'a> {
    verb: &'a str,
    rest: &'a [&'a str],
    /// It is given settings of its own, with which it can start programs.
    is_set: bool,
}

/// Reads behind git's own options.
fn git_verb<'a>(arguments: &'a [&'a str]) -> Option<Verb<'a>> {
    let (mut rest, mut is_set) = (arguments, false);
    loop {
        match rest {
            ["--no-pager" | "-P", after @ ..] => rest = after,
            ["-C" | "-c" | "--git-dir" | "--work-tree", _, after @ ..] => {
                (rest, is_set) = (after, true);
            }
            [option, after @ ..] if option.starts_with('-') => (rest, is_set) = (after, true),
            [verb, rest @ ..] => return Some(Verb { verb, rest, is_set }),
            [] => return None,
        }
    }
}

/// A shell with a line of its own; with a file it does what that says.
fn shell(arguments: &[&str], directory: &str, depth: usize) -> Finding {
    let line = arguments.iter().position(|it| it.starts_with('-') && it.ends_with('c'));
    match line.and_then(|at| arguments.get(at + 1)) {
        Some(line) => worst(rate_at(line, directory, depth + 1)),
        None => Finding::Works,
    }
}

/// The program a starter starts may be any of its words; what it is started with is not all known.
fn started(arguments: &[&str], directory: &str, depth: usize) -> Finding {
    let at_each = (0..arguments.len()).map(|at| {
        let name = arguments[at].rsplit('/').next().unwrap_or(arguments[at]);
        match STARTING.contains(&name) {
            // Its own words are looked at in their turn.
            true => Finding::Works,
            false => rate(name, &arguments[at + 1..], directory, depth + 1),
        }
    });
    worst(at_each.chain([Finding::Works]))
}

fn database(name: &str, arguments: &[&str]) -> Finding {
    let said = arguments.join(" ").to_lowercase();
    match SQL.iter().find(|word| said.contains(**word)) {
        Some(word) => Finding::Destroys(format!("{name} is told to {}", word.trim())),
        None => Finding::Works,
    }
}

fn worst(findings: impl IntoIterator<Item = Finding>) -> Finding {
    let weight = |finding: &Finding| match finding {
        Finding::Looks => 0,
        Finding::Works => 1,
        Finding::Destroys(_) => 2,
    };
    findings.into_iter().max_by_key(weight).unwrap_or(Finding::Works)
}
