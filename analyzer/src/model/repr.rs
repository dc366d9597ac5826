//! Python's `repr` of a string, for the `Debug` texts of the model. Characters beyond ASCII are taken as printable.

use std::fmt::Write;

/// `text` in the quotes and with the escapes that Python's `repr` uses.
pub(super) fn repr_str(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\x{:02x}", control as u32);
            }
            same if same == quote => out.extend(['\\', same]),
            other => out.push(other),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::repr_str;

    #[test]
    fn quotes_are_chosen_as_python_does() {
        assert_eq!(repr_str("a"), "'a'");
        assert_eq!(repr_str("it's"), "\"it's\"");
        assert_eq!(repr_str("'\""), "'\\'\"'");
        assert_eq!(repr_str("a\\b\n\u{7f}"), "'a\\\\b\\n\\x7f'");
    }
}
