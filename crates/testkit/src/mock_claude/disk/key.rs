//! The name of a project's transcript directory. Pure.

use unicode_normalization::UnicodeNormalization as _;

/// Longer names are cut and told apart by a hash.
const KEY_CHARS_MAX: usize = 200;

/// The name under `projects/` for a working directory, which must be resolved already: everything but ASCII letters and
/// digits becomes a dash, and a long name ends in a hash of the path.
pub fn project_key(cwd: &str) -> String {
    let path: String = cwd.nfc().collect();
    let key: String = path.encode_utf16().map(plain).collect();
    if key.len() <= KEY_CHARS_MAX {
        return key;
    }
    format!("{}-{}", &key[..KEY_CHARS_MAX], base36(hash(&path).unsigned_abs()))
}

fn plain(unit: u16) -> char {
    u8::try_from(unit).map(char::from).ok().filter(char::is_ascii_alphanumeric).unwrap_or('-')
}

/// 32-bit, over UTF-16 units: `hash * 31 + unit`.
fn hash(path: &str) -> i32 {
    path.encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_letters_and_digits_becomes_a_dash() {
        assert_eq!(project_key("/home/u/demo_1"), "-home-u-demo-1");
        assert_eq!(project_key("/tmp/caf\u{e9} \u{1f600}"), "-tmp-caf----");
        assert_eq!(project_key("/tmp/cafe\u{301}"), project_key("/tmp/caf\u{e9}"));
    }

    #[test]
    fn long_paths_end_in_a_hash() {
        let key = project_key(&format!("/{}", "a".repeat(300)));
        assert_eq!(key.len(), KEY_CHARS_MAX + 1 + key.rsplit('-').next().unwrap().len());
        assert_ne!(key, project_key(&format!("/{}", "a".repeat(301))));
    }

    #[test]
    fn the_hash_is_the_one_of_java_strings_in_base_36() {
        assert_eq!(hash("hello"), 99_162_322);
        assert_eq!(base36(99_162_322), "1n1e4y");
    }
}
