//! Tables of right-aligned columns, the last of which is a label as long as the width allows.

use super::human::{pad_start, width};
use super::style::Style;

/// Between two columns.
const GAP: &str = "  ";
/// A label gets this much even where the line then is too long.
const LABEL_WIDTH_MIN: usize = 20;
/// So many columns of numbers stay however narrow the terminal is.
const N_COLUMNS_MIN: usize = 1;

/// A table with `headings`; each row has one cell less, and a label made by `label` for the width that is left.
pub fn text<T>(
    headings: &[&str],
    rows: &[(Vec<String>, T)],
    style: &Style,
    label: impl Fn(&T, Option<usize>) -> String,
) -> String {
    let Some((label_heading, number_headings)) = headings.split_last() else {
        return String::new();
    };
    let width_of = |(column, heading): (usize, &&str)| {
        let cells = rows.iter().filter_map(|(cells, _)| Some(width(cells.get(column)?)));
        cells.max().unwrap_or(0).max(width(heading))
    };
    let mut widths: Vec<usize> = number_headings.iter().enumerate().map(width_of).collect();
    let mut numbers_width: usize = widths.iter().map(|width| width + GAP.len()).sum();
    // Where the terminal is narrow, the first columns and the label tell most.
    while widths.len() > N_COLUMNS_MIN
        && style.width.is_some_and(|width| numbers_width + LABEL_WIDTH_MIN > width)
    {
        numbers_width -= widths.pop().unwrap_or(0) + GAP.len();
    }
    let label_width = style.width.map(|width| width.saturating_sub(numbers_width).max(LABEL_WIDTH_MIN));

    let heading = line(number_headings.iter().copied(), &widths, label_heading);
    let mut text = style.heading(&heading) + "\n";
    for (cells, what) in rows {
        text += &line(cells.iter().map(String::as_str), &widths, &label(what, label_width));
        text.push('\n');
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize], label: &str) -> String {
    let aligned = cells.zip(widths).map(|(cell, &width)| pad_start(cell, width) + GAP);
    aligned.collect::<String>() + label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_no_line_is_longer() {
        let rows = [(vec!["13.0 MiB".to_owned(), "95.8%".to_owned(), "3,334".to_owned()], "abc")];
        let at = |width| {
            let label = |text: &&str, room: Option<usize>| format!("{text} {}", room.unwrap_or(0));
            text(&["SIZE", "SHARE", "COUNT", "LOCATION"], &rows, &Style { width, ..Style::default() }, label)
        };
        assert_eq!(at(Some(80)), "    SIZE  SHARE  COUNT  LOCATION\n13.0 MiB  95.8%  3,334  abc 56\n");
        assert_eq!(at(Some(40)), "    SIZE  SHARE  LOCATION\n13.0 MiB  95.8%  abc 23\n");
        assert_eq!(at(Some(30)), "    SIZE  LOCATION\n13.0 MiB  abc 20\n");
        assert_eq!(at(Some(10)), "    SIZE  LOCATION\n13.0 MiB  abc 20\n");
    }
}
