//! Texts that may be no UTF-8, such as paths, as strings from which the bytes come back.
//!
//! ```text
//! a byte that is no UTF-8          0xe9  ->  U+10FFE9, a character that nobody uses
//! such a character itself    U+10FFE9  ->  its four bytes, each in this way
//! ```

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The byte 0 would be this character; those of bytes that can be no UTF-8 are the last 128 of all.
const BASE: u32 = 0x10_ff00;

/// The string for `bytes`.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if byte_of(character).is_some() {
                let mut buffer = [0; 4];
                text.extend(character.encode_utf8(&mut buffer).bytes().filter_map(character_of));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().filter_map(|&byte| character_of(byte)));
    }
    text
}

/// The bytes that `text` is of.
#[must_use]
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(|character| byte_of(character).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The path that `text` is of.
#[must_use]
pub fn to_path(text: &str) -> PathBuf {
    OsString::from_vec(to_bytes(text).into_owned()).into()
}

fn character_of(byte: u8) -> Option<char> {
    char::from_u32(BASE + u32::from(byte))
}

fn byte_of(character: char) -> Option<u8> {
    let byte = u32::from(character).checked_sub(BASE).and_then(|byte| u8::try_from(byte).ok())?;
    (byte >= 0x80).then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        let texts: [&[u8]; 6] = [
            b"",
            b"/a/b.c",
            "/\u{e4}/\u{10ffe9}".as_bytes(),
            b"/\xe9t\xe9/\xff\xc3",
            b"\xc3\xa9\xe9",
            b"\xf4\x8f\xbf",
        ];
        for bytes in texts {
            let text = of_bytes(bytes);
            assert_eq!(*to_bytes(&text), *bytes, "{text:?}");
        }
        assert_eq!(of_bytes("/\u{e4}".as_bytes()), "/\u{e4}");
        assert_eq!(of_bytes(b"\xe9"), "\u{10ffe9}");
        assert_ne!(of_bytes("\u{10ffe9}".as_bytes()), of_bytes(b"\xe9"));
    }
}
