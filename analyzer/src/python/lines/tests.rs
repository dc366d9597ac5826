//! Claims on line tables by hand; `analyzer/tests/python_lines.rs` compares with CPython.

use super::*;

/// The first byte of an entry of a line table: its kind, and how many units it covers.
const fn entry(kind: u8, n_units: u8) -> u8 {
    0x80 | kind << 3 | (n_units - 1)
}

fn lines(kind: LineTableKind, table: &[u8], n: u32) -> Vec<u32> {
    let lines = Lines::read(kind, table, 10);
    (0..n).map(|instruction| lines.line(Some(instruction))).collect()
}

#[test]
fn a_range_begins_with_the_byte_that_the_table_names() {
    // 4 bytes of line 10, then 300 lines in three steps, then 3 bytes, which end within a unit, and one line back.
    let table = [4, 127, 0, 127, 0, 46, 3, 0xff];
    assert_eq!(lines(LineTableKind::Lnotab, &table, 6), [10, 10, 310, 310, 309, 309]);
    // 2 bytes of no line, 4 of the next one, the rest of none.
    assert_eq!(lines(LineTableKind::Pairs, &[2, 0x80, 4, 1], 4), [0, 11, 11, 0]);
    // A unit of no line, two of the one before the first, one of 70 lines further, then of the same.
    let table = [entry(15, 1), entry(13, 2), 0b11, entry(14, 1), 0b100_1100, 0b10, 1, 1, 1, entry(0, 1), 0];
    assert_eq!(lines(LineTableKind::Locations, &table, 6), [0, 9, 9, 79, 79, 0]);
}

#[test]
fn what_has_not_begun_is_of_the_first_line() {
    for kind in [LineTableKind::Lnotab, LineTableKind::Pairs, LineTableKind::Locations, LineTableKind::Other]
    {
        assert_eq!(Lines::read(kind, &[], 10).line(None), 10);
    }
    assert_eq!(Lines::read(LineTableKind::Pairs, &[], -1).line(None), 0);
    assert_eq!(lines(LineTableKind::Other, &[2, 2, 2, 2], 2), [0, 0]);
}

#[test]
fn any_bytes_are_read() {
    let mut random = tm_testing::Random::new(3);
    for _ in 0..2_000 {
        let table: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
        for kind in [LineTableKind::Lnotab, LineTableKind::Pairs, LineTableKind::Locations] {
            let first_line = [i32::MIN, i32::MAX, 1][random.below(3) as usize];
            let lines = Lines::read(kind, &table, first_line);
            for instruction in [0, 7, 100, u32::MAX] {
                lines.line(Some(instruction));
            }
        }
    }
}
