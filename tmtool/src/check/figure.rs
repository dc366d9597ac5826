//! The figures that a budget limits: exact ones, which do not depend on the machine; of samples, as good as they are.

use crate::report::parts::human;
use tm_analyzer::model::{Amount, Uncertainty, Variance};

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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    values: [u64; 8],
    /// How far each is from certain, of samples.
    variances: [Variance; 8],
}

impl Figures {
    /// One of them.
    pub fn of(&self, figure: Figure) -> u64 {
        self.values.get(figure as usize).copied().unwrap_or(0)
    }

    /// Returns how far off one of them may be, 95 times of 100; 0 where all blocks were recorded.
    pub fn error_of(&self, figure: Figure) -> u64 {
        self.variances.get(figure as usize).map_or(0, Variance::error)
    }

    /// The same with another value of `figure`.
    #[must_use]
    pub fn with(mut self, figure: Figure, value: u64) -> Figures {
        self.values.get_mut(figure as usize).into_iter().for_each(|place| *place = value);
        self
    }

    /// The same with `amount` that is from certain by `uncertainty` as the value of the two figures.
    #[must_use]
    pub fn with_amount(
        self,
        (of_bytes, of_count): (Figure, Figure),
        amount: Amount,
        uncertainty: Uncertainty,
    ) -> Figures {
        let mut figures = self.with(of_bytes, amount.bytes).with(of_count, amount.count);
        for (figure, variance) in [(of_bytes, uncertainty.of_bytes), (of_count, uncertainty.of_count)] {
            figures.variances.get_mut(figure as usize).into_iter().for_each(|place| *place = variance);
        }
        figures
    }

    /// The same without any of `figure`.
    #[must_use]
    pub fn without(self, figure: Figure) -> Figures {
        let mut figures = self.with(figure, 0);
        figures.variances.get_mut(figure as usize).into_iter().for_each(|place| *place = Variance::ZERO);
        figures
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.values.iter_mut().zip(other.values).for_each(|(sum, value)| *sum = sum.saturating_add(value));
        self.variances.iter_mut().zip(other.variances).for_each(|(sum, variance)| *sum += variance);
    }
}
