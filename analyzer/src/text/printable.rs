//! Names come from recordings: none may steer a terminal.

/// `text` with an escape (`\n`, `\u{1b}`) for every character that would steer a terminal or be invisible: names come
/// from recordings.
pub fn printable(text: &str) -> String {
    if is_plain(text) || !text.contains(is_unprintable) {
        return text.to_owned();
    }
    let mut printable = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unprintable(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

/// Whether `text` is of printable ASCII alone, as most names are: found out many bytes at a time.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte);
    // Blocks without a way out of them become vector instructions.
    text.as_bytes().chunks(64).all(|bytes| bytes.iter().fold(true, |all, byte| all & is_plain(byte)))
}

/// Control characters, and Unicode's format characters (Cf) and line separators: they turn the direction of what
/// follows, join or hide.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_what_needs_no_escape_and_no_second_byte() {
        let plain = "a b~".repeat(50);
        assert!(is_plain("") && is_plain(&plain) && printable(&plain) == plain);
        for (place, other) in [(0, "\n"), (63, "\u{7f}"), (64, "é"), (199, "\u{1b}")] {
            let mut text = plain.clone();
            text.replace_range(place..=place, other);
            assert!(!is_plain(&text), "{other:?} at {place}");
        }
    }

    #[test]
    fn what_steers_or_hides_is_escaped() {
        assert_eq!(printable("a\x1b[31m\nb\u{9b}"), "a\\u{1b}[31m\\nb\\u{9b}");
        assert_eq!(
            printable("x\u{202e}c.a\u{2066}\u{200b}\u{e0041}"),
            "x\\u{202e}c.a\\u{2066}\\u{200b}\\u{e0041}"
        );
        assert_eq!(printable("é\u{301}日本 🦀 ‘’"), "é\u{301}日本 🦀 ‘’");
    }
}
