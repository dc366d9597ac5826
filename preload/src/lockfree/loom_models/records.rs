//! Records that come and go while others read them.

use loom::sync::Arc;

use super::{check, thread};
use crate::lockfree::records::{Key, Records};

type Table = Records<2>;

/// Adds the record of `number`.
fn add(table: &Table, number: usize) {
    assert!(table.add([number, 10 * number]), "there is memory");
}

/// Returns the records that are there, each of which must be whole.
fn read(table: &Table) -> std::vec::Vec<(Key, usize)> {
    let whole = |(key, words): (Key, [usize; 2])| {
        assert_eq!(words[1], 10 * words[0], "a half of a record");
        assert_ne!(words[0], 0, "a place that was never written to");
        (key, words[0])
    };
    table.all().map(whole).collect()
}

/// The second record stands in a part that is new, the third in the place of the first.
#[test]
fn a_reader_has_whole_records_while_they_come_and_go() {
    check(3, |order| {
        let table = Arc::new(Table::new());
        let writer = thread(&table, |table| {
            add(table, 1);
            add(table, 2);
            let (first, _) = read(table)[0];
            assert!(table.remove(first));
            add(table, 3);
        });
        let reader = thread(&table, |table| {
            let numbers: std::vec::Vec<usize> = read(table).into_iter().map(|(_, number)| number).collect();
            let possible: [&[usize]; 6] = [&[], &[1], &[2], &[1, 2], &[3], &[3, 2]];
            assert!(possible.contains(&&numbers[..]), "{numbers:?}");
        });
        order.run([writer, reader]);
        assert_eq!(read(&table).iter().map(|(_, number)| *number).collect::<std::vec::Vec<_>>(), [3, 2]);
    });
}

/// The place is used again meanwhile: what was found before does not name what stands there then.
#[test]
fn a_record_is_taken_away_once_and_nothing_else_with_it() {
    check(3, |order| {
        let table = Arc::new(Table::new());
        add(&table, 1);
        let (key, _) = read(&table)[0];
        let replaces = thread(&table, move |table| {
            let removed = table.remove(key);
            add(table, 2);
            removed
        });
        let removes = thread(&table, move |table: &Table| table.remove(key));
        let removed = order.run([replaces, removes]);
        assert_ne!(removed[0], removed[1], "one of them");
        assert!(read(&table).iter().any(|&(_, number)| number == 2));
        assert!(!table.remove(key));
    });
}
