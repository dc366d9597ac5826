//! The tables of names: the frames of stacks, and what frames are.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::table::{Cell, Column, Kind, OPTIONAL, REQUIRED, Table, Values};
use crate::export::points::FrameNumbers;
use crate::tree::Outer;
use tm_analyzer::model::Frame;
use tm_analyzer::text::hex;
use tm_common::ids::StackId;
use tm_common::stack::FrameKind;

/// A row for each frame of each stack; the innermost has depth 0. One of each stack is the site, which is blamed.
pub const STACK_COLUMNS: &[Column] = &[
    ("run", Kind::Number, REQUIRED),
    ("stack_id", Kind::Integer, REQUIRED),
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

/// The rows of stacks, and the numbers of their frames.
pub struct Stacks {
    table: Table<File>,
    numbers: FrameNumbers,
    /// The numbers of the frames of the last stack.
    outer: Outer<u32>,
    /// The columns of one stack: 0, 1, ... of the deepest one, and those of the last one.
    depths: Vec<i64>,
    frames: Vec<i64>,
    is_site: Vec<i64>,
}

impl Stacks {
    /// None so far; `table` gets those of the recording `run`.
    pub fn new(mut table: Table<File>, run: i64) -> Stacks {
        table.begin_rows(&[Cell::Integer(run)]);
        let (depths, frames, is_site) = (Vec::new(), Vec::new(), Vec::new());
        Stacks { table, numbers: FrameNumbers::default(), outer: Outer::default(), depths, frames, is_site }
    }

    /// Writes the frames of the stack `id`, and numbers them; one of them is `blamed`.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn write(
        &mut self,
        id: StackId,
        whole: &[Arc<Frame>],
        blamed: Option<&Arc<Frame>>,
    ) -> io::Result<()> {
        let is_blamed = |frame: &Arc<Frame>| blamed.is_some_and(|blamed| Arc::ptr_eq(blamed, frame));
        // Of a function that calls itself, the innermost call.
        let depth_of_site = whole.iter().rev().position(is_blamed).unwrap_or(0);
        let Stacks { table, numbers, outer, depths, frames, is_site } = self;
        let outermost_first = outer.of_frames(whole, |_, frame| numbers.of(frame));
        frames.clear();
        frames.extend(outermost_first.rev().map(i64::from));
        let n_frames = frames.len();
        depths.extend(depths.len() as i64..n_frames as i64);
        is_site.clear();
        is_site.resize(n_frames, 0);
        is_site.get_mut(depth_of_site).into_iter().for_each(|is_site| *is_site = 1);
        let depths = depths.get(..n_frames).unwrap_or_default();
        let own = [Values::Each(depths), Values::Each(frames), Values::Each(is_site)];
        table.push_all(n_frames, &[&[Values::Same(id.0.into())], &own[..]].concat())
    }

    /// Ends the table. Returns the numbers of the frames.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<FrameNumbers> {
        self.table.finish()?;
        Ok(self.numbers)
    }
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
