//! Tests of the stack table on nodes by hand.

use tm_common::ids::{CodeIndex, Epoch};
use tm_common::python::PythonFrame;
use tm_common::stack::EndReason;

use super::measure::Measured;
use super::*;

fn table(nodes: &[(u32, FrameKind, u64)]) -> (StackTable, u64) {
    let mut bytes = Vec::new();
    for &(parent, kind, pc) in nodes {
        let node = StackNode { parent: StackId(parent), epoch: Epoch(0), kind, pc };
        bytes.extend(node.encode().iter().flat_map(|word| word.to_le_bytes()));
    }
    let mut table = StackTable::default();
    assert_eq!(table.add_segment(0, &bytes), Some(0));
    let broken = table.finish(false);
    (table, broken)
}

fn pcs(table: &StackTable, id: u32, n_frames_max: u32) -> Vec<u64> {
    table
        .stack(StackId(id), n_frames_max)
        .map(|stack| stack.map(|frame| frame.pc).collect())
        .unwrap_or_default()
}

#[test]
fn guesses_and_ends_are_told_and_are_no_frames() {
    use FrameKind::{Cut, Guessed, Incomplete, Other, Return};
    let end = (0, Incomplete, EndReason::NoEntry as u64);
    let nodes = [
        end,
        (4, Return, 50),
        (5, Guessed, 51),
        (6, Other, 9),
        (7, Return, 52),
        (4, Cut, 8),
        (9, Return, 53),
    ];
    let (table, broken) = table(&nodes);
    assert_eq!((broken, table.n_unknown()), (0, 1));
    assert_eq!(pcs(&table, 8, 9), [52, 51, 50]);
    assert_eq!(table.stack(StackId(8), 9).and_then(|stack| stack.total_depth()), Some(3));
    let frame = |pc, kind| StackFrame { pc, kind, epoch: Epoch(0) };
    let outermost = Some(frame(50, Return));
    let doubts = RawDoubts {
        guessed_beyond: Some(frame(52, Return)),
        end: Some((EndReason::NoEntry, outermost)),
        python_end: None,
    };
    assert_eq!(table.doubts(StackId(8)), doubts);
    // Beyond a cut the frames are not known, and the end is.
    assert_eq!(pcs(&table, 10, 9), [53]);
    assert_eq!(table.stack(StackId(10), 9).and_then(|stack| stack.total_depth()), Some(9));
    let doubts = RawDoubts { guessed_beyond: None, end: Some((EndReason::NoEntry, None)), python_end: None };
    assert_eq!(table.doubts(StackId(10)), doubts);
}

#[test]
fn stacks_are_cut_to_nframe_and_know_their_depth() {
    use FrameKind::{Cut, Return};
    let nodes = [(0, Cut, 40), (4, Return, 11), (5, Return, 12), (6, Return, 13)];
    let (table, broken) = table(&nodes);
    assert_eq!(broken, 0);
    assert_eq!(pcs(&table, 7, 2), [13, 12]);
    assert_eq!(pcs(&table, 5, 2), [11]);
    let total_depth = |n| table.stack(StackId(7), n).and_then(|stack| stack.total_depth());
    assert_eq!((total_depth(2), total_depth(1)), (Some(43), None));
    assert!(table.stack(StackId::NONE, 2).is_none());
    assert!(table.stack(StackId(8), 2).is_none());
}

#[test]
fn circles_and_dangling_parents_end_the_stack() {
    let kind = FrameKind::Return;
    let (table, broken) =
        table(&[(5, kind, 1), (6, kind, 2), (4, kind, 3), (999_999, kind, 4), (6, kind, 5)]);
    assert_eq!(broken, 2);
    for id in 4..9 {
        let stack = table.stack(StackId(id), 100);
        let depth = stack.as_ref().and_then(|stack| stack.total_depth()).unwrap_or(0);
        assert_eq!(stack.map(|stack| stack.count() as u32), Some(depth), "stack {id}");
    }
}

#[test]
fn a_table_grows_in_place_and_waits_for_callers() {
    let node = |parent, pc| {
        let node = StackNode { parent, epoch: Epoch(1), kind: FrameKind::Return, pc };
        node.encode().iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
    };
    let mut table = StackTable::default();
    let (outer, inner) = (StackId::new(1, FIRST_SLOT + 1), StackId::new(0, FIRST_SLOT));
    let first = table.begin_segment(0, 4).expect("it is new");
    assert_eq!(table.set_nodes(first, 0, &node(outer, 7)), NodesRead::default());
    let measured = table.measure(first, table.end(), true);
    assert_eq!(measured, Measured { n_broken: 0, unresolved: vec![first] });
    assert!(table.stack(inner, 9).is_none());
    // The caller comes, in a segment of its own, behind a node that is not written yet.
    let second = table.begin_segment(1, 4).expect("it is new");
    let bytes = [vec![0; NODE_BYTES], node(StackId::NONE, 8)].concat();
    assert_eq!(table.set_nodes(second, 0, &bytes).unfinished, [0]);
    table.measure(second, table.end(), true);
    assert_eq!(table.measure_all(&measured.unresolved, false), Measured::default());
    assert_eq!((pcs(&table, inner.0, 9), table.n_nodes()), (vec![7, 8], 2));
    assert_eq!((table.begin_segment(1, 4), table.begin_segment(SEGMENTS_MAX, 4)), (None, None));
}

fn python(table: &StackTable, id: u32, n_frames_max: u32) -> Option<(Vec<u64>, Option<u32>)> {
    let stack = table.python(StackId(id), n_frames_max)?;
    let total_depth = stack.total_depth();
    Some((stack.map(PythonFrame::encode).collect(), total_depth))
}

fn whole_depth(table: &StackTable, id: u32) -> Option<u32> {
    table.stack(StackId(id), 9).and_then(|stack| stack.total_depth())
}

fn frame(code: u32) -> u64 {
    let (code, instruction) = (CodeIndex(code), Some(2));
    PythonFrame { code, instruction, is_incomplete: false, is_entry: true }.encode()
}

#[test]
fn a_joined_stack_has_two_chains_of_their_own_depths() {
    use FrameKind::{Cut, Incomplete, Joined, Python, Return};
    let nodes = [
        (0, Return, 50),
        (4, Return, 51),
        (0, Python, frame(1)),
        (6, Python, frame(2)),
        (5, Joined, 7),
        (0, Cut, 100),
        (9, Python, frame(3)),
        (4, Joined, 10),
        // No native frame was kept, and no Python frame could be read.
        (0, Joined, 6),
        (0, Incomplete, EndReason::PythonFrame as u64),
        (5, Joined, 13),
        (13, Python, frame(4)),
        (5, Joined, 15),
    ];
    let (table, broken) = table(&nodes);
    assert_eq!((broken, table.n_unknown()), (0, 0));
    assert_eq!((pcs(&table, 8, 9), pcs(&table, 8, 1)), (vec![51, 50], vec![51]));
    assert_eq!(whole_depth(&table, 8), Some(2));
    assert_eq!(python(&table, 8, 9), Some((vec![frame(2), frame(1)], Some(2))));
    assert_eq!(python(&table, 8, 1), Some((vec![frame(2)], None)));
    assert_eq!(python(&table, 11, 9), Some((vec![frame(3)], Some(101))));
    assert_eq!((pcs(&table, 12, 9), python(&table, 12, 9)), (vec![], Some((vec![frame(1)], Some(1)))));
    assert!(table.has(StackId(12)) && table.has_python(StackId(12)) && !table.has_python(StackId(5)));
    assert_eq!((pcs(&table, 14, 9), python(&table, 14, 9)), (vec![51, 50], None));
    assert_eq!(table.doubts(StackId(14)).python_end, Some(EndReason::PythonFrame));
    assert_eq!(python(&table, 16, 9), Some((vec![frame(4)], Some(1))));
    assert_eq!(table.doubts(StackId(16)).python_end, Some(EndReason::PythonFrame));
    assert_eq!(table.doubts(StackId(8)), RawDoubts::default());
}

#[test]
fn joined_stacks_that_make_no_sense_are_damage_and_keep_what_does() {
    use FrameKind::{Joined, Python, Return};
    let nodes = [
        (0, Return, 50),
        (0, Python, frame(1)),
        // Each part leads nowhere, is of the other kind or itself, or is joined.
        (4, Joined, 999),
        (4, Joined, 1 << 40 | 5),
        (4, Joined, 4),
        (4, Joined, 9),
        (5, Joined, 5),
        (999, Joined, 5),
        (12, Joined, 5),
        // Within a chain: joined, or frames of both kinds.
        (16, Return, 51),
        (4, Python, frame(2)),
        (5, Return, 52),
        (4, Joined, 5),
    ];
    let (table, broken) = table(&nodes);
    assert_eq!(broken, 10);
    for id in 6..10 {
        assert_eq!((pcs(&table, id, 9), python(&table, id, 9)), (vec![50], None), "{id}");
        assert_eq!(whole_depth(&table, id), Some(1), "{id}");
    }
    for id in 10..13 {
        let alone = (vec![], Some((vec![frame(1)], Some(1))));
        assert_eq!((pcs(&table, id, 9), python(&table, id, 9)), alone, "{id}");
    }
    assert_eq!((pcs(&table, 13, 9), whole_depth(&table, 13)), (vec![51], Some(1)));
    assert_eq!((pcs(&table, 15, 9), whole_depth(&table, 15)), (vec![52], Some(1)));
}

#[test]
fn joined_stacks_wait_for_both_of_their_parts() {
    let node = |parent, kind, pc| {
        let node = StackNode { parent, epoch: Epoch(1), kind, pc };
        node.encode().iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
    };
    let mut table = StackTable::default();
    let (native, of_python) = (StackId::new(1, FIRST_SLOT), StackId::new(1, FIRST_SLOT + 1));
    let first = table.begin_segment(0, 1).expect("it is new");
    table.set_nodes(first, 0, &node(native, FrameKind::Joined, of_python.0.into()));
    let joined = StackId::new(0, FIRST_SLOT);
    let unresolved = vec![first];
    assert_eq!(table.measure(first, table.end(), true), Measured { n_broken: 0, unresolved });
    let second = table.begin_segment(1, 2).expect("it is new");
    table.set_nodes(second, 0, &node(StackId::NONE, FrameKind::Return, 7));
    assert_eq!(table.measure_all(&[first], true).unresolved, [first]);
    table.set_nodes(second, 1, &node(StackId::NONE, FrameKind::Python, frame(1)));
    assert_eq!(table.measure_all(&[first], true), Measured::default());
    assert_eq!((pcs(&table, joined.0, 9), table.n_nodes()), (vec![7], 3));
    assert_eq!(python(&table, joined.0, 9), Some((vec![frame(1)], Some(1))));
}

#[test]
fn stacks_that_are_joined_more_than_once_are_one() {
    use FrameKind::{Joined, Python, Return};
    let nodes = [
        (0, Return, 50),
        (0, Python, frame(1)),
        (4, Joined, 5),
        (4, Return, 51),
        (7, Joined, 5),
        (4, Joined, 5),
        (0, Python, frame(2)),
        (4, Joined, 10),
        (7, Joined, 5),
        (4, Joined, 5),
    ];
    let (mut table, broken) = table(&nodes);
    let firsts = |table: &StackTable| {
        let first_ids = table.repeats.look();
        (4..14).map(|id| first_ids.of(StackId(id)).0).collect::<Vec<u32>>()
    };
    let expected = [4, 5, 6, 7, 8, 6, 10, 11, 8, 6];
    assert_eq!((broken, table.n_nodes(), firsts(&table)), (0, 7, expected.to_vec()));
    // Each id still names its frames, and counting anew comes to the same.
    assert_eq!((pcs(&table, 12, 9), python(&table, 12, 9)), (vec![51, 50], Some((vec![frame(1)], Some(1)))));
    table.forget_depths();
    table.finish(false);
    assert_eq!((table.n_nodes(), firsts(&table)), (7, expected.to_vec()));
    // Other segments, in another order than that of their numbers.
    for (segment, parent) in [(9, 4), (3, 7)] {
        let node = StackNode { parent: StackId(parent), epoch: Epoch(0), kind: Joined, pc: 5 };
        let bytes: Vec<u8> = node.encode().iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(table.add_segment(segment, &bytes), Some(0));
    }
    table.finish(false);
    let first_ids = table.repeats.look();
    let of = |segment| first_ids.of(StackId::new(segment, FIRST_SLOT)).0;
    assert_eq!((table.n_nodes(), of(9), of(3)), (7, 6, 8));
}
