//! Names of code that a process made at run time, as it lists them itself: `/tmp/perf-PID.map`, a line `START SIZE NAME` for each function.

use std::io::Read;
use std::path::Path;

use super::attempt::Outcome;
use super::generated_code::{GeneratedCode, open_list, unreadable};
use crate::text::raw_text;

/// A longer list is not read, in bytes: those of large Java programs have some MiB.
const BYTES_MAX: u64 = 64 << 20;

/// Reads the list at `path`, if it was written between the two moments, in ns since 1970, by who may be believed.
///
/// # Errors
/// There is none to be used, and why.
pub(super) fn read(path: &Path, times: (u64, u64)) -> Result<GeneratedCode, Outcome> {
    let mut bytes = Vec::new();
    open_list(path, BYTES_MAX, times)?.take(BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(parse(&bytes))
}

/// What can be read of the lines; where two functions are of one address, the later one counts.
fn parse(bytes: &[u8]) -> GeneratedCode {
    let mut map = GeneratedCode::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let number = |word: Option<&[u8]>| {
            let text = std::str::from_utf8(word?).ok()?;
            u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
        };
        let (start, size) = (number(words.next()), number(words.next()));
        if let (Some(start), Some(size), Some(name)) = (start, size, words.next())
            && let Some(end) = start.checked_add(size).filter(|end| *end > start)
            && !name.is_empty()
        {
            map.add(start, end, raw_text::of_bytes(name));
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_function_has_an_address_and_says_that_it_is_the_second() {
        let map = parse(
            b"1000 100 first one\n0x1040 20 second\nbad\n2000 0 empty\n3000 10\n3000 10 a\xff\nffffffffffffffff 2 x\n\
              1000 10 first one\n",
        );
        let at = |address| map.function(address);
        assert_eq!(at(0x1000), Some(("first one", false)));
        assert_eq!((at(0x103f), at(0x1040)), (Some(("first one", false)), Some(("second", true))));
        assert_eq!((at(0x1060), at(0x10ff), at(0x1100)), (Some(("first one", false)), at(0x1060), None));
        assert_eq!((at(0xfff), at(0x2000), at(0x3000)), (None, None, Some(("a\u{10ffff}", false))));
    }
}
