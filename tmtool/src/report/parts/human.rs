//! Numbers and names as people read them.

pub use tm_analyzer::text::printable;

use tm_analyzer::model::format_size;

/// Bytes, as tracemalloc writes them: `10.0 KiB`.
pub fn size(bytes: u64) -> String {
    format_size(bytes as f64, false)
}

/// A difference in bytes: `+10.0 KiB`.
pub fn signed_size(bytes: i64) -> String {
    format_size(bytes as f64, true)
}

/// `part` bytes in `n` blocks, on average: `2501 B`; `-` if there is no block.
pub fn average(part: u64, n: u64) -> String {
    if n == 0 { "-".to_owned() } else { format_size(part as f64 / n as f64, false) }
}

/// A number with its thousands apart: `45,678`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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

/// A number of things: `1 block`, `2 blocks`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `part` of `whole` in per cent with one decimal: `81.3%`; of nothing, `-`.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
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

/// A line of source with its tabs expanded to columns of four.
pub fn source_line(line: &str) -> String {
    const TAB_WIDTH: usize = 4;
    let mut expanded = String::with_capacity(line.len());
    let mut column = 0;
    for character in line.trim().chars() {
        let width = if character == '\t' { TAB_WIDTH - column % TAB_WIDTH } else { 1 };
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

/// The end of `text` in at most `width` characters, with `...` for what is cut: paths differ at their ends.
pub fn keep_end(text: &str, width: usize) -> String {
    let excess = text.chars().count().saturating_sub(width);
    if excess == 0 {
        return text.to_owned();
    }
    if width <= CUT.len() {
        return text.chars().skip(excess).collect();
    }
    CUT.chars().chain(text.chars().skip(excess + CUT.len())).collect()
}

/// The start of `text` in at most `width` characters, with `...` for what is cut.
pub fn keep_start(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    if width <= CUT.len() {
        return text.chars().take(width).collect();
    }
    text.chars().take(width - CUT.len()).chain(CUT.chars()).collect()
}

const CUT: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(1234567), "1,234,567");
        assert_eq!(signed_count(-1234), "-1,234");
        assert_eq!([0, 99_999, 100_000, 999_499].map(brief_count), ["0", "99,999", "100k", "999k"]);
        assert_eq!(
            [999_500, 9_994_999, 9_995_000, 99_950_000].map(brief_count),
            ["1.00M", "9.99M", "10.0M", "100M"]
        );
        assert_eq!(signed_count(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(counted(1, "block"), "1 block");
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(1, 0), "-");
        assert_eq!(average(5, 0), "-");
        assert_eq!(duration(3_214_000_000), "3.21 s");
        assert_eq!(duration(12_500_000), "12.5 ms");
        assert_eq!(duration(7), "7 ns");
    }

    #[test]
    fn names_are_cut_to_the_width_exactly() {
        assert_eq!(keep_end("/usr/src/a.c:12", 15), "/usr/src/a.c:12");
        assert_eq!(keep_end("/usr/src/a.c:12", 10), ".../a.c:12");
        assert_eq!(keep_end("abcdef", 2), "ef");
        assert_eq!(keep_start("abcdefgh", 6), "abc...");
        assert_eq!(keep_start("abcdefgh", 8), "abcdefgh");
        assert_eq!(keep_start("äöüäöü", 5), "äö...");
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
