//! Tests of the stack table on nodes by hand.

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
    let doubts =
        RawDoubts { guessed_beyond: Some(frame(52, Return)), end: Some((EndReason::NoEntry, outermost)) };
    assert_eq!(table.doubts(StackId(8)), doubts);
    // Beyond a cut the frames are not known, and the end is.
    assert_eq!(pcs(&table, 10, 9), [53]);
    assert_eq!(table.stack(StackId(10), 9).and_then(|stack| stack.total_depth()), Some(9));
    let doubts = RawDoubts { guessed_beyond: None, end: Some((EndReason::NoEntry, None)) };
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
