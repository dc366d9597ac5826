//! What a replay has met beside its answer: what is missing, and how samples were drawn.

use tm_common::ids::Stamp;

use super::Engine;
use super::live::SampleTotals;
use crate::events::Damage;
use crate::model::Sampling;
use crate::reader::Problem;

/// What is to be said of figures, whatever they are.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What is missing or damaged, beside [`crate::reader::Recording::problems`].
    pub problems: Vec<Problem>,
    /// How samples were drawn; `None` if all events are there.
    pub sampling: Option<Sampling>,
    /// The moment up to which events were folded into sums, if those say nothing of what was asked for.
    pub left_out_until: Option<Stamp>,
}

/// The same on the way, process by process.
#[derive(Debug, Default)]
pub struct Finder {
    damage: Damage,
    samples: SampleTotals,
    left_out_until: Option<Stamp>,
}

impl Finder {
    /// Adds what was met of a process.
    pub fn add(&mut self, engine: &Engine<'_>) {
        self.damage.add(&engine.damage());
        self.samples += engine.totals().samples;
        self.left_out_until = self.left_out_until.max(engine.left_out_until());
    }

    /// All of it.
    pub fn finish(self) -> Findings {
        Findings {
            problems: self.damage.problems(),
            sampling: self.samples.sampling(),
            left_out_until: self.left_out_until,
        }
    }
}
