//! Names come from recordings: none may steer a terminal.

/// `text` with an escape (`\n`, `\u{1b}`) for every character that would steer a terminal or be invisible: names come
/// from recordings.
pub fn printable(text: &str) -> String {
    if !text.contains(is_unprintable) {
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
    fn what_steers_or_hides_is_escaped() {
        assert_eq!(printable("a\x1b[31m\nb\u{9b}"), "a\\u{1b}[31m\\nb\\u{9b}");
        assert_eq!(
            printable("x\u{202e}c.a\u{2066}\u{200b}\u{e0041}"),
            "x\\u{202e}c.a\\u{2066}\\u{200b}\\u{e0041}"
        );
        assert_eq!(printable("é\u{301}日本 🦀 ‘’"), "é\u{301}日本 🦀 ‘’");
    }
}
