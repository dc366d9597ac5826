//! Tables of right-aligned columns, the last of which is a label as long as the width allows.

use super::style::Style;

/// Between two columns.
const GAP: &str = "  ";
/// A label gets this much even where the line then is too long.
const LABEL_WIDTH_MIN: usize = 20;

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
        let cells = rows.iter().filter_map(|(cells, _)| Some(cells.get(column)?.chars().count()));
        cells.max().unwrap_or(0).max(heading.chars().count())
    };
    let widths: Vec<usize> = number_headings.iter().enumerate().map(width_of).collect();
    let numbers_width: usize = widths.iter().map(|width| width + GAP.len()).sum();
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
    let aligned = cells.zip(widths).map(|(cell, &width)| format!("{cell:>width$}{GAP}"));
    aligned.collect::<String>() + label
}
