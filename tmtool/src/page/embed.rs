//! The data in the page: deflated and in base64, so that nothing of it can be markup.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::data::ReportData;
use crate::packed::{self, Codec};

/// The page as `web/` builds it.
const BUILT: &str = include_str!("../../../web/dist/report.html");
/// What stands before the data. Files that have it are reports.
const DATA_START: &str = "<script type=\"application/octet-stream\" id=\"tm-data\">";
const DATA_END: &str = "</script>";
const TITLE: &str = "<title>tm report</title>";

/// Whether the file at `path` is a report of any version.
pub fn is_page(path: &Path) -> bool {
    // What stands before the data is the page's own code, far less than this.
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PAGE_BYTES_MAX).read_to_end(&mut start));
    read.is_ok() && String::from_utf8_lossy(&start).contains(DATA_START)
}

const PAGE_BYTES_MAX: u64 = 4 << 20;

/// A page with a place for the data and one for the title.
pub struct Template<'a> {
    /// What stands before the title, between both, and after the data.
    parts: [&'a str; 3],
}

impl Template<'static> {
    /// The built one.
    pub fn built() -> Template<'static> {
        Template::of(BUILT).unwrap_or(Template { parts: [BUILT, "", ""] })
    }
}

impl<'a> Template<'a> {
    /// `page`, if it has one of each place, in this order.
    fn of(page: &'a str) -> Option<Template<'a>> {
        let (before, rest) = page.split_once(TITLE)?;
        let start = rest.find(DATA_START)? + DATA_START.len();
        let (between, after) = rest.split_at_checked(start)?;
        let after = after.get(after.find(DATA_END)?..)?;
        let is_one_each = !after.contains(DATA_START) && !after.contains(TITLE) && !between.contains(TITLE);
        is_one_each.then_some(Template { parts: [before, between, after] })
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// The page with a title and `packed` data.
    pub fn with(&self, title: &str, packed: &str) -> String {
        let [before, between, after] = self.parts;
        let title = escaped(title);
        [before, "<title>", &title, "</title>", between, packed, after].concat()
    }
}

/// `text` as a text of HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The data as the page unpacks it.
pub fn packed(data: &ReportData) -> String {
    let mut deflated = Vec::new();
    let written: io::Result<()> = packed::packed(Codec::Deflate, &mut deflated, |out| {
        // Of a known type, so that a million small writes are calls of nothing.
        let mut out = BufWriter::with_capacity(JSON_BYTES, out);
        serde_json::to_writer(&mut out, data)?;
        out.flush()
    });
    debug_assert!(written.is_ok(), "memory can be written to, and all keys are texts");
    base64(&deflated)
}

/// How much of the data is handed on at once.
const JSON_BYTES: usize = 1 << 16;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word =
            three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= three.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_page_has_one_place_for_each() {
        let template = Template::of(BUILT).expect("it has both places");
        let page = template.with("a</title><script>alert(1)</script> & b", "QUJD");
        assert!(page.contains("<title>a&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; b</title>"));
        assert!(page.contains("id=\"tm-data\">QUJD</script>"));
        assert_eq!(page.matches("<title>").count(), 1);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }
}
