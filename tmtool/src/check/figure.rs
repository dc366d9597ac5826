//! The figures that a budget limits: exact ones, which do not depend on the machine.

use crate::report::parts::human;

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Bytes that were live at the peak.
    Peak,
    /// Blocks that were.
    PeakBlocks,
    /// Bytes that were live at the end.
    End,
    /// Blocks that were.
    EndBlocks,
    /// Bytes that were live at the end, neither known leaks nor run-time libraries' own.
    Leaked,
    /// Blocks that were.
    LeakedBlocks,
    /// Allocations of the whole run, reallocations with them.
    Allocations,
    /// Bytes that they asked for.
    Allocated,
}

impl Figure {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Figure; 8] = [
        Figure::Peak,
        Figure::PeakBlocks,
        Figure::End,
        Figure::EndBlocks,
        Figure::Leaked,
        Figure::LeakedBlocks,
        Figure::Allocations,
        Figure::Allocated,
    ];

    /// The key of a budget.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Peak => "peak",
            Figure::PeakBlocks => "peak-blocks",
            Figure::End => "end",
            Figure::EndBlocks => "end-blocks",
            Figure::Leaked => "leaked",
            Figure::LeakedBlocks => "leaked-blocks",
            Figure::Allocations => "allocations",
            Figure::Allocated => "allocated",
        }
    }

    /// Whether it counts bytes, and not blocks.
    pub fn is_bytes(self) -> bool {
        matches!(self, Figure::Peak | Figure::End | Figure::Leaked | Figure::Allocated)
    }

    /// Whether it is of leaks.
    pub fn is_of_leaks(self) -> bool {
        matches!(self, Figure::Leaked | Figure::LeakedBlocks)
    }

    /// `value` as people read it, exact.
    pub fn text(self, value: u64) -> String {
        if self.is_bytes() { human::exact_size(value) } else { human::count(value) }
    }
}

/// The value of each figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures([u64; 8]);

impl Figures {
    /// One of them.
    pub fn of(&self, figure: Figure) -> u64 {
        self.0.get(figure as usize).copied().unwrap_or(0)
    }

    /// The same with another value of `figure`.
    #[must_use]
    pub fn with(mut self, figure: Figure, value: u64) -> Figures {
        self.0.get_mut(figure as usize).into_iter().for_each(|place| *place = value);
        self
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, value)| *sum = sum.saturating_add(value));
    }
}
