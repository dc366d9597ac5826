//! A sample as plain text: for files, pipes and `--once`.

use super::column::{Cell, name_heading};
use super::list::Order;
use super::words::{self, WORD_WIDTH};
use crate::report::parts::human::{count, long_duration, printable};
use crate::report::parts::style::Style;
use crate::report::parts::table;
use crate::watch::data::sample::{Row, Sample};

/// The sample with the first `limit` rows in `order` (`None`: all of them).
pub fn text(sample: &Sample, order: &Order, limit: Option<usize>, style: &Style) -> String {
    let facts = &sample.facts;
    let (state, elapsed) = (words::state(facts.state), long_duration(facts.elapsed_ns));
    let mut text = format!("{}  pid {}  {state} {elapsed}\n", printable(&facts.program), facts.pid);
    text += &format!("{}\n", words::recording(facts, None));
    for (word, rest) in words::amounts(facts) {
        text += &format!("{word:<WORD_WIDTH$}{rest}\n");
    }
    for note in &facts.notes {
        text += &(style.warning(&format!("Note: {}", printable(note))) + "\n");
    }
    let shown = order.apply(&sample.sites, sample.key_type);
    let n_shown = shown.len().min(limit.unwrap_or(usize::MAX));
    text += &format!("Shown: {} of {}\n", count(n_shown as u64), count(sample.sites.len() as u64));
    let rows: Vec<(Vec<String>, &Row)> = shown
        .iter()
        .take(n_shown)
        .filter_map(|&place| sample.sites.get(place))
        .map(|row| (figures(row, sample), row))
        .collect();
    if rows.is_empty() {
        return text;
    }
    let mut headings: Vec<&str> = Cell::all(facts).map(Cell::heading).collect();
    headings.push(name_heading(sample.key_type, false));
    text + "\n" + &table::text(&headings, &rows, style, |row, width| row.name.text(sample.key_type, width))
}

fn figures(row: &Row, sample: &Sample) -> Vec<String> {
    Cell::all(&sample.facts).map(|cell| cell.text(row, &sample.facts.lately)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::fixtures::sample;

    #[test]
    fn all_of_it() {
        assert_eq!(
            text(&sample(), &Order::default(), Some(2), &Style::default()),
            "\
./server --port 80  pid 4321  running 1 min 00 s
server.bin, 12.0 MiB; nothing lost; 2 threads
Live    12.5 MiB in 4,335 blocks; peak 13.4 MiB in 5,000, at 12.30 s
Mapped  30.0 MiB in 41 ranges; peak 32.0 MiB in 44
Rate    61,234 events/s, 2211 KiB/s allocated
Shown: 2 of 3

    LIVE  BLOCKS  ALLOCS  ALLOCS/S   BYTES/S  LINE
12.4 MiB   3,334   3,334       333  1270 KiB  src/b.c:2  second
60.5 KiB   1,000  10,000     1,000  62.5 KiB  src/a.c:1  first
"
        );
    }
}
