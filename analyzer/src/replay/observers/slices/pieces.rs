//! What sites did in stages that are over, while the latest peak may still change.
//!
//! ```text
//! stage        |      Part::Before      ^      Part::Since      |
//!                                  latest peak                      a later one: all of this is before it
//! ```

use super::flow::{Cell, Flow, add_up};

/// The part of the stage that the latest peak is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    #[default]
    Before,
    Since,
}

/// The flow of a site in one part of a stage.
#[derive(Clone, Copy, Debug)]
struct Piece {
    site: u32,
    stage: u32,
    part: Part,
    flow: Flow,
}

/// All pieces so far.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<Piece>);

impl Pieces {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds what a site did in a stage that is over for it.
    pub fn add(&mut self, site: u32, stage: u32, part: Part, flow: Flow) {
        if !flow.is_nothing() {
            self.0.push(Piece { site, stage, part, flow });
        }
    }

    /// All together, by site.
    pub fn sums(&self) -> Vec<Flow> {
        let mut sums = Vec::new();
        for piece in &self.0 {
            let place = piece.site as usize;
            if sums.len() <= place {
                sums.resize(place + 1, Flow::default());
            }
            sums[place] += piece.flow;
        }
        sums
    }

    /// Gives stages their new numbers; the latest peak is in the old one `peak_stage`.
    pub fn renumber(&mut self, stages: &[u32], peak_stage: u32) {
        let new = |stage: u32| stages.get(stage as usize).copied().unwrap_or(stage);
        for piece in &mut self.0 {
            let is_later = piece.stage > peak_stage && new(piece.stage) == new(peak_stage);
            let is_since = piece.stage == peak_stage && piece.part == Part::Since;
            piece.part = if is_later || is_since { Part::Since } else { Part::Before };
            piece.stage = new(piece.stage);
        }
        self.0.sort_unstable_by_key(|piece| (piece.site, piece.stage, piece.part));
        self.0.dedup_by(|next, sum| {
            let is_same = (next.site, next.stage, next.part) == (sum.site, sum.stage, sum.part);
            if is_same {
                sum.flow += next.flow;
            }
            is_same
        });
    }

    /// The cells; the stage `peak_stage` is cut in two where it is given.
    pub fn into_cells(self, peak_stage: Option<u32>) -> Vec<Cell> {
        let slice = |piece: &Piece| {
            let is_later = peak_stage
                .is_some_and(|peak| piece.stage > peak || piece.stage == peak && piece.part == Part::Since);
            (piece.stage + u32::from(is_later)).saturating_sub(1)
        };
        let cell = |piece: Piece| Cell { site: piece.site, slice: slice(&piece), flow: piece.flow };
        let mut cells = self.0.into_iter().map(cell).collect();
        add_up(&mut cells);
        cells
    }
}
