//! The tables of names: the frames of stacks, and what frames are.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::table::{Cell, Column, Kind, OPTIONAL, REQUIRED, Table};
use crate::export::points::FrameNumbers;
use tm_analyzer::model::{Frame, Traceback};
use tm_analyzer::text::hex;
use tm_common::ids::StackId;
use tm_common::stack::FrameKind;

/// A row for each frame of each stack; the innermost has depth 0. One of each stack is the site, which is blamed.
pub const STACK_COLUMNS: &[Column] = &[
    ("run", Kind::Number, REQUIRED),
    ("stack_id", Kind::Number, REQUIRED),
    ("depth", Kind::Integer, REQUIRED),
    ("frame_id", Kind::Integer, REQUIRED),
    ("is_site", Kind::Flag, REQUIRED),
];

/// A row for each frame.
pub const FRAME_COLUMNS: &[Column] = &[
    ("run", Kind::Number, REQUIRED),
    ("frame_id", Kind::Integer, REQUIRED),
    ("kind", Kind::Text, REQUIRED),
    ("function", Kind::Text, OPTIONAL),
    ("file", Kind::Text, REQUIRED),
    ("line", Kind::Number, OPTIONAL),
    ("module", Kind::Text, OPTIONAL),
    ("build_id", Kind::Text, OPTIONAL),
    ("address", Kind::Integer, OPTIONAL),
];

/// Writes the frames of the stack `id`, and numbers them. `site` is the same stack up to the frame to blame.
///
/// # Errors
/// The table cannot be written.
pub fn write_stack(
    table: &mut Table<File>,
    numbers: &mut FrameNumbers,
    (run, id): (i64, StackId),
    (whole, site): (&Traceback, &Traceback),
) -> io::Result<()> {
    let blamed = site.frames().last();
    let is_blamed = |frame: &Arc<Frame>| blamed.is_some_and(|blamed| Arc::ptr_eq(blamed, frame));
    // Of a function that calls itself, the innermost call.
    let depth_of_site = whole.frames().iter().rev().position(is_blamed).unwrap_or(0);
    for (depth, frame) in whole.frames().iter().rev().enumerate() {
        let number = numbers.of(frame);
        table.push(&[
            Cell::Integer(run),
            id.0.into(),
            (depth as u64).into(),
            number.into(),
            Cell::Flag(depth == depth_of_site),
        ])?;
    }
    Ok(())
}

/// Writes all frames that have numbers.
///
/// # Errors
/// The table cannot be written.
pub fn write_frames(table: &mut Table<File>, numbers: &FrameNumbers, run: i64) -> io::Result<()> {
    for (number, frame) in (0u32..).zip(&numbers.frames) {
        let kind = match frame.kind {
            FrameKind::Python => "python",
            FrameKind::Guessed => "guessed",
            _ => "native",
        };
        let build_id = frame.module.as_ref().filter(|module| !module.build_id.is_empty());
        let row = [
            Cell::Integer(run),
            number.into(),
            table.text(kind),
            frame.function.as_deref().map(|function| table.text(function)).into(),
            table.text(&frame.filename),
            Some(frame.lineno).filter(|&line| line != 0).into(),
            frame.module_path().map(|path| table.text(path)).into(),
            build_id.map(|module| table.text(&hex(&module.build_id))).into(),
            frame.address.into(),
        ];
        table.push(&row)?;
    }
    Ok(())
}
