//! What a replay has met beside its answer: what is missing, and how samples were drawn.

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
}

/// The same on the way, process by process.
#[derive(Debug, Default)]
pub struct Finder {
    damage: Damage,
    samples: SampleTotals,
}

impl Finder {
    /// Adds what was met of a process.
    pub fn add(&mut self, engine: &Engine<'_>) {
        self.damage.add(&engine.damage());
        self.samples += engine.totals().samples;
    }

    /// All of it.
    pub fn finish(self) -> Findings {
        Findings { problems: self.damage.problems(), sampling: self.samples.sampling() }
    }
}
