//! Tables in Markdown, and numbers in them.

/// A table. Columns of numbers stand to the right: those whose first cell is one.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let is_number =
        |cell: &String| cell.starts_with(|letter: char| letter.is_ascii_digit() || "-–≤≥".contains(letter));
    let ruler = (0..header.len()).map(|column| {
        let first = rows.first().and_then(|row| row.get(column));
        if first.is_some_and(is_number) { "---:" } else { "---" }.to_owned()
    });
    let ruler: Vec<String> = ruler.collect();
    line(&header) + &line(&ruler).replace(' ', "") + &rows.iter().map(|row| line(row)).collect::<String>()
}

/// Three significant digits, or all before the point; what does not exist is a dash.
pub fn decimals(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "–".into(),
        0.0 => "0.00".into(),
        size if size >= 99.95 => grouped(value),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Rounded, with commas between thousands.
pub fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::{decimals, grouped, table};

    #[test]
    fn numbers_have_three_digits_or_more() {
        let shown = [-0.0, 0.0871, 1.0, 9.999, 12.34, 123.6, 1_234_567.0, -4.5, f64::NAN].map(decimals);
        assert_eq!(shown, ["0.00", "0.087", "1.00", "10.0", "12.3", "124", "1,234,567", "-4.50", "–"]);
        assert_eq!(grouped(-1000.4), "-1,000");
    }

    #[test]
    fn a_table_is_markdown() {
        let rows = [vec!["a".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["what", "n"], &rows), "| what | n |\n|---|---:|\n| a | 1 |\n");
    }
}
