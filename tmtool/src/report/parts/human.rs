//! Numbers and names as people read them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use tm_analyzer::text::printable;
pub use tm_analyzer::text::words::{count, counted, first, named, nouns, percent, verb};

use tm_analyzer::model::format_size;

/// Bytes, as tracemalloc writes them: `10.0 KiB`.
pub fn size(bytes: u64) -> String {
    format_size(bytes as f64, false)
}

/// Bytes exactly, and of many also short: `12,900,000 B (12.3 MiB)`.
pub fn exact_size(bytes: u64) -> String {
    let exact = format!("{} B", count(bytes));
    if bytes < 10_000 { exact } else { format!("{exact} ({})", size(bytes)) }
}

/// A difference in bytes: `+10.0 KiB`.
pub fn signed_size(bytes: i64) -> String {
    format_size(bytes as f64, true)
}

/// `part` bytes in `n` blocks, on average: `2501 B`; `-` if there is no block.
pub fn average(part: u64, n: u64) -> String {
    if n == 0 { "-".to_owned() } else { format_size(part as f64 / n as f64, false) }
}

/// A number in at most six characters: `12,345`, then `123k`, `1.23M`, `12.3G`.
pub fn brief_count(n: u64) -> String {
    const UNITS: [(u64, char); 4] =
        [(1_000, 'k'), (1_000_000, 'M'), (1_000_000_000, 'G'), (1_000_000_000_000, 'T')];
    if n < 100_000 {
        return count(n);
    }
    // Three digits are left, so what rounds up to a thousand belongs to the next unit.
    let unit = UNITS.iter().find(|(unit, _)| (n as f64 / *unit as f64) < 999.5);
    let (unit, letter) = *unit.unwrap_or(&(1_000_000_000_000, 'T'));
    let value = n as f64 / unit as f64;
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$}{letter}")
}

/// A difference of two numbers: `+45,678`, `-1`, `+0`.
pub fn signed_count(n: i64) -> String {
    format!("{}{}", if n < 0 { '-' } else { '+' }, count(n.unsigned_abs()))
}

/// `part` of `whole`, of nothing 0.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A time in the unit that leaves one to three digits before the point: `3.21 s`, `12.5 ms`.
pub fn duration(ns: u64) -> String {
    let ns = ns as f64;
    if ns >= 1e9 {
        format!("{:.2} s", ns / 1e9)
    } else if ns >= 1e6 {
        format!("{:.1} ms", ns / 1e6)
    } else if ns >= 1e3 {
        format!("{:.1} us", ns / 1e3)
    } else {
        format!("{ns} ns")
    }
}

/// A time that a process has run: `12.50 s`, `3 min 07 s`, `2 h 05 min`.
pub fn long_duration(ns: u64) -> String {
    match ns / 1_000_000_000 {
        0..60 => duration(ns),
        seconds @ 60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A time without decimals: `10 us`.
pub fn whole_duration(ns: u64) -> String {
    match ns {
        1_000_000_000.. => format!("{} s", ns / 1_000_000_000),
        1_000_000.. => format!("{} ms", ns / 1_000_000),
        _ => format!("{} us", ns / 1_000),
    }
}

/// A line of source with its tabs expanded to columns of four.
pub fn source_line(line: &str) -> String {
    const TAB_WIDTH: usize = 4;
    let mut expanded = String::with_capacity(line.len());
    let mut column = 0;
    for character in line.trim().chars() {
        let width = match character {
            '\t' => TAB_WIDTH - column % TAB_WIDTH,
            _ => character.width().unwrap_or(0),
        };
        match character {
            '\t' => expanded.extend(std::iter::repeat_n(' ', width)),
            _ => expanded.push(character),
        }
        column += width;
    }
    printable(&expanded)
}

/// `text` in ASCII alone: what a chart is drawn of becomes signs of as much ink, everything else an escape.
pub fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2581}'..='\u{2582}' => ascii.push('.'),
            '\u{2583}'..='\u{2585}' => ascii.push(':'),
            '\u{2586}'..='\u{2588}' => ascii.push('#'),
            _ if character.is_ascii() => ascii.push(character),
            _ => ascii.extend(character.escape_default()),
        }
    }
    ascii
}

/// How many columns `text` takes on a terminal: letters of Chinese, Japanese and Korean take two.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` with spaces behind it, up to `width` columns.
pub fn pad_end(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(text.width()))
}

/// `text` with spaces before it, up to `width` columns.
pub fn pad_start(text: &str, width: usize) -> String {
    format!("{:1$}{text}", "", width.saturating_sub(text.width()))
}

/// The end of `text` in at most `width` columns, with `...` for what is cut: paths differ at their ends.
pub fn keep_end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let cut = if width <= CUT.len() { "" } else { CUT };
    let room = width - cut.len();
    let places = text.char_indices().map(|(place, _)| text.get(place..).unwrap_or_default());
    cut.to_owned() + places.into_iter().find(|kept| kept.width() <= room).unwrap_or_default()
}

/// The start of `text` in at most `width` columns, with `...` for what is cut.
pub fn keep_start(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let cut = if width <= CUT.len() { "" } else { CUT };
    let mut room = width - cut.len();
    let fits = |character: &char| {
        let left = room.checked_sub(character.width().unwrap_or(0));
        room = left.unwrap_or(0);
        left.is_some()
    };
    text.chars().take_while(fits).collect::<String>() + cut
}

const CUT: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(signed_count(-1234), "-1,234");
        assert_eq!([0, 99_999, 100_000, 999_499].map(brief_count), ["0", "99,999", "100k", "999k"]);
        assert_eq!(
            [999_500, 9_994_999, 9_995_000, 99_950_000].map(brief_count),
            ["1.00M", "9.99M", "10.0M", "100M"]
        );
        assert_eq!(signed_count(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(average(5, 0), "-");
        assert_eq!(duration(3_214_000_000), "3.21 s");
        assert_eq!(duration(12_500_000), "12.5 ms");
        assert_eq!(duration(7), "7 ns");
        assert_eq!(
            [1_500_000_000, 187_900_000_000, 7_530_000_000_000].map(long_duration),
            ["1.50 s", "3 min 07 s", "2 h 05 min"]
        );
        assert_eq!([1_000, 10_000_000, 1_000_000_000].map(whole_duration), ["1 us", "10 ms", "1 s"]);
    }

    #[test]
    fn names_are_cut_to_the_width_exactly() {
        assert_eq!(keep_end("/usr/src/a.c:12", 15), "/usr/src/a.c:12");
        assert_eq!(keep_end("/usr/src/a.c:12", 10), ".../a.c:12");
        assert_eq!(keep_end("abcdef", 2), "ef");
        assert_eq!(keep_start("abcdefgh", 6), "abc...");
        assert_eq!(keep_start("abcdefgh", 8), "abcdefgh");
        assert_eq!(keep_start("äöüäöü", 5), "äö...");
        assert_eq!([keep_start("內存分配", 8), keep_start("內存分配", 7)], ["內存分配", "內存..."]);
        assert_eq!([keep_end("內存分配.c", 8), keep_start("內存", 1)], ["...配.c", ""].map(str::to_owned));
        assert_eq!([pad_end("內存", 6) + "|", pad_start("é", 3)], ["內存  |", "  é"].map(str::to_owned));
    }

    #[test]
    fn tabs_of_source_lines_are_columns() {
        assert_eq!(source_line("\tint\ta;\t/* x */\r"), "int a;  /* x */");
        assert_eq!(source_line("é\t\u{202e}x"), "é   \\u{202e}x");
    }

    #[test]
    fn ascii_keeps_charts_and_names_readable() {
        assert_eq!(ascii("0 |\u{2581}\u{2584}\u{2588} é"), "0 |.:# \\u{e9}");
    }
}
