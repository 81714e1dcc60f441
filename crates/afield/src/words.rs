//! Small wording: ages, durations, sizes, plurals, and cutting a line to a width.

use std::time::Duration;

use afield_proto::Timestamp;
use afield_proto::device::is_hostile;

/// What is said of a runner that can't write that something starts.
pub(crate) const DISK_REFUSES: &str =
    "its disk takes no writes (is it full?): nothing starts there until it does";

/// `42 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 if duration.as_millis() > 0 => format!("{} ms", duration.as_millis()),
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// The same for what is to come, to the nearest: what was asked for in two hours is not in one.
pub(crate) fn ahead(wait: Duration) -> String {
    let nearest = |seconds: u64, unit: u64| (seconds + unit / 2) / unit;
    let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3570 => format!("{} min", nearest(seconds, 60)),
        3570..84_600 => format!("{} h", nearest(seconds, 3600)),
        _ => format!("{} d", nearest(seconds, 86_400)),
    }
}

/// `3 min ago`.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> String {
    let age = now.since(at);
    if age < Duration::from_secs(2) { "now".to_owned() } else { format!("{} ago", duration(age)) }
}

/// `3.4 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `1 process`, `2 processes` (give both words).
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The text as one word of a shell: as it is where nothing in it means anything there.
pub(crate) fn shell(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The text whole, with what can't be seen or breaks the line written out: paths hold any character.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_hostile(letter) {
            true => shown.extend(letter.escape_unicode()),
            false => shown.push(letter),
        }
    }
    shown
}

/// The text on one line, at most `width` characters.
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let mut line = String::new();
    for (index, character) in
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().enumerate()
    {
        if index + 1 >= width {
            line.push('…');
            break;
        }
        line.push(character);
    }
    line.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        let said = |ms| duration(Duration::from_millis(ms));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(20), "20 ms");
        assert_eq!(said(59_000), "59 s");
        assert_eq!(said(61_000), "1 min");
        assert_eq!(said(7_200_000), "2 h");
        assert_eq!(said(3 * 86_400_000), "3 d");
    }

    #[test]
    fn what_is_to_come_is_said_to_the_nearest() {
        let said = |ms| ahead(Duration::from_millis(ms));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(20), "1 s");
        assert_eq!(said(7_200_000 - 40), "2 h");
        assert_eq!(said(600_000 - 1000), "10 min");
        assert_eq!(said(7 * 86_400_000 - 1), "7 d");
        assert_eq!(said(59 * 60_000 + 40_000), "1 h");
        assert_eq!(said(23 * 3_600_000 + 40 * 60_000), "1 d");
        assert_eq!(said(90_000), "2 min");
    }

    #[test]
    fn lines_are_cut_and_cleaned() {
        assert_eq!(one_line("a\n  b\tc", 80), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("\u{1b}[31mred", 80), "[31mred");
    }

    #[test]
    fn paths_stay_on_one_line_and_whole() {
        let long = "x".repeat(1000);
        assert_eq!(
            visible(&format!("/a\nb\u{202e}/{long}")),
            format!("/a\\u{{a}}b\\u{{202e}}/{long}")
        );
    }

    #[test]
    fn what_is_to_be_copied_into_a_shell_is_one_word_there() {
        assert_eq!(shell("/srv/shop_2"), "/srv/shop_2");
        assert_eq!(shell("/srv/my shop"), "'/srv/my shop'");
        assert_eq!(shell("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(3 * 1024 * 1024 / 2), "1.5 MiB");
    }
}
