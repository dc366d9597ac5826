//! Claims on merged stacks, each drawn as the two that it is made of.

use tm_common::ids::{CodeIndex, Epoch};
use tm_common::stack::FrameKind;

use super::*;
use crate::reader::StackFrame;

/// Native frames from the innermost on: `E` the evaluation function, `I` one instruction of it, any other a function.
fn native(text: &str) -> Vec<(StackFrame, Evaluation)> {
    let frame = |name: char| {
        let evaluation = match name {
            'E' => Evaluation::Function,
            'I' => Evaluation::Instruction,
            _ => Evaluation::None,
        };
        (StackFrame { pc: u64::from(name), kind: FrameKind::Return, epoch: Epoch(0) }, evaluation)
    };
    text.chars().map(frame).collect()
}

/// Python frames from the innermost on: a letter each, `*` behind one that is an entry, `?` behind one that is incomplete.
fn python(text: &str) -> Vec<PythonFrame> {
    let mut frames: Vec<PythonFrame> = Vec::new();
    for character in text.chars() {
        match (character, frames.last_mut()) {
            ('*', Some(frame)) => frame.is_entry = true,
            ('?', Some(frame)) => frame.is_incomplete = true,
            _ => frames.push(PythonFrame {
                code: CodeIndex(character.into()),
                instruction: Some(0),
                is_incomplete: false,
                is_entry: false,
            }),
        }
    }
    frames
}

/// The merged frames, and whether the parts differ, if all frames of both are there.
fn merged(native_text: &str, python_text: &str) -> (String, bool) {
    merged_of((native_text, true), (python_text, true))
}

fn merged_of(
    (native_text, native_is_whole): (&str, bool),
    (python_text, python_is_whole): (&str, bool),
) -> (String, bool) {
    let native = native(native_text);
    let merged = merge(
        Part { frames: &native, is_whole: native_is_whole },
        Part { frames: python(python_text).into_iter(), is_whole: python_is_whole },
    );
    let n_incomplete = python_text.matches('?').count() as u32;
    assert_eq!(merged.n_incomplete, n_incomplete);
    let letter = |frame: &MergedFrame<StackFrame>| match frame {
        MergedFrame::Native(frame) => char::from_u32(frame.pc as u32).expect("it was one"),
        MergedFrame::Python(frame) => char::from_u32(frame.code.0).expect("it was one"),
    };
    let text: String = merged.frames.iter().map(letter).collect();
    // None is dropped, and each kind stays in its order.
    let of_kind = |is_native: bool| {
        let frames = merged.frames.iter();
        frames
            .filter(|frame| matches!(frame, MergedFrame::Native(_)) == is_native)
            .map(letter)
            .collect::<String>()
    };
    assert_eq!(of_kind(true), native_text);
    let shown = python(python_text).into_iter().filter(|frame| !frame.is_incomplete);
    assert_eq!(of_kind(false), shown.filter_map(|frame| char::from_u32(frame.code.0)).collect::<String>());
    (text, merged.differs)
}

fn exact(text: &str) -> (String, bool) {
    (text.to_owned(), false)
}

fn differing(text: &str) -> (String, bool) {
    (text.to_owned(), true)
}

#[test]
fn python_calls_of_one_run_stand_inward_of_the_function_that_runs_them() {
    assert_eq!(merged("mfEx", "cba*"), exact("mfcbaEx"));
}

#[test]
fn native_code_that_calls_back_stands_between_two_runs() {
    assert_eq!(merged("mfEgEx", "cb*a*"), exact("mfcbEgaEx"));
    // Before 3.11 each call is a run of its own.
    assert_eq!(merged("mEvEvEx", "c*b*a*"), exact("mcEvbEvaEx"));
    // The function may be called by nothing but itself, where compilers have left the calls between out.
    assert_eq!(merged("mEEx", "b*a*"), exact("mbEaEx"));
}

#[test]
fn a_generator_is_a_run_where_native_code_asks_for_its_next_item_and_else_a_frame_of_its_callers() {
    assert_eq!(merged("mEnsEx", "g*a*"), exact("mgEnsaEx"));
    assert_eq!(merged("mEx", "ga*"), exact("mgaEx"));
}

#[test]
fn an_embedding_program_stands_outward_of_the_first_run() {
    assert_eq!(merged("mEpqExyz", "b*a*"), exact("mbEpqaExyz"));
}

#[test]
fn instructions_that_are_functions_are_a_part_of_the_one_that_has_called_them() {
    assert_eq!(merged("mIEx", "ba*"), exact("mIbaEx"));
    assert_eq!(merged("mIvIx", "b*a*"), exact("mbIvaIx"));
}

#[test]
fn incomplete_frames_count_and_are_not_shown() {
    assert_eq!(merged("mEx", "b?a*"), exact("maEx"));
    // A run whose only frame has not begun, or has ended, is a run.
    assert_eq!(merged("mEgEx", "b?*a*"), exact("mEgaEx"));
    assert_eq!(merged("mEx", "a?*"), exact("mEx"));
}

#[test]
fn what_does_not_match_is_aligned_from_the_innermost_and_said() {
    assert_eq!(merged("mEx", "c*b*a*"), differing("mcExba"));
    assert_eq!(merged("mEgEhEx", "b*a*"), differing("mbEgaEhEx"));
    assert_eq!(merged("mx", "a*"), differing("mxa"));
    assert_eq!(merged("", "ba*"), differing("ba"));
    assert_eq!(merged("mEx", ""), differing("mEx"));
}

#[test]
fn where_frames_are_missing_the_rest_stands_at_the_root_and_nothing_differs() {
    assert_eq!(merged_of(("mE", false), ("c*b*a*", true)), exact("mcEba"));
    assert_eq!(merged_of(("m", false), ("a*", true)), exact("ma"));
    assert_eq!(merged_of(("mEgEx", true), ("b*", false)), exact("mbEgEx"));
    assert_eq!(merged_of(("mEgEx", true), ("b", false)), exact("mbEgEx"));
}

/// Whatever the parts are, all frames are there in their orders, and those that match are matched.
#[test]
fn random_stacks_keep_all_frames() {
    let mut random = tm_testing::Random::new(11);
    for _ in 0..5_000 {
        let mut pick = |letters: &[&str], n| {
            let length = random.below(n);
            (0..length).map(|_| letters[random.below(letters.len() as u64) as usize]).collect::<String>()
        };
        let native = pick(&["E", "I", "f", "g"], 9);
        let python = pick(&["a", "b*", "c?", "d?*"], 9);
        merged(&native, &python);
    }
}
