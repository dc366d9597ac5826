//! The frame that a block is blamed on, and how blocks are added up.

use crate::analysis::{Blame, Frames, Plumbing};
use crate::error::Result;
use crate::model::{Cumulative, FramePatterns, KeyType, Profile, Statistic, StatisticDiff, Traceback};

/// The choice.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// What to group by.
    pub key_type: KeyType,
    /// Whether to count for callers.
    pub cumulative: Cumulative,
    /// The functions that are not to blame; `None` to blame the innermost one, and to keep stacks whole.
    pub plumbing: Option<Plumbing>,
    /// The frames of Python programs that are looked at.
    pub frames: Frames,
    /// Those of these frames that are taken out of the stacks.
    pub hide: FramePatterns,
}

impl Default for Grouping {
    fn default() -> Grouping {
        Grouping {
            key_type: KeyType::Lineno,
            cumulative: Cumulative::Off,
            plumbing: Some(Plumbing::known()),
            frames: Frames::All,
            hide: FramePatterns::default(),
        }
    }
}

impl Grouping {
    /// Ends the stacks of `profile` at the functions to blame, and notes how much is of code without line information.
    pub fn blamed(&self, profile: Profile) -> Profile {
        Grouping::noted(self.cut(profile))
    }

    /// Notes how much of `profile`, whose stacks end at the functions to blame, is of code without line information.
    pub fn noted(mut profile: Profile) -> Profile {
        let note = profile.without_lines();
        profile.origin.iter_mut().for_each(|origin| origin.notes.extend(note.clone()));
        profile
    }

    /// Ends the stacks of `profile` at the functions to blame.
    pub fn cut(&self, profile: Profile) -> Profile {
        profile.blamed(&mut self.blame())
    }

    /// Ends one stack at the line to blame.
    pub fn traceback(&self, whole: &Traceback) -> Traceback {
        self.blame_of_lines().cut(whole)
    }

    /// Returns what finds the frame to blame, as groups are made.
    pub fn blame(&self) -> Blame {
        match self.key_type {
            KeyType::Traceback => self.blame_of_stacks(),
            _ => self.blame_of_lines(),
        }
    }

    /// Returns what finds the frame to blame where one frame is shown.
    pub fn blame_of_lines(&self) -> Blame {
        match &self.plumbing {
            Some(plumbing) => self.blame_by(plumbing.clone()),
            None => self.blame_of_stacks(),
        }
    }

    /// Returns what finds the frame to blame where whole stacks are shown.
    pub fn blame_of_stacks(&self) -> Blame {
        let plumbing = self.plumbing.clone().unwrap_or_else(Plumbing::none);
        self.blame_by(plumbing).keeping_native()
    }

    fn blame_by(&self, plumbing: Plumbing) -> Blame {
        Blame::new(plumbing).seeing(self.frames).hiding(self.hide.clone())
    }

    /// Adds up `profile`, the largest group first.
    ///
    /// # Errors
    /// If whole stacks or tags, which have no callers left out, are to be counted for callers.
    pub fn statistics(&self, profile: &Profile) -> Result<Vec<Statistic>> {
        profile.statistics(self.key_type, self.cumulative)
    }

    /// Adds up what is different in `new` from `old`, the largest difference first.
    ///
    /// # Errors
    /// As [`Grouping::statistics`].
    pub fn differences(&self, new: &Profile, old: &Profile) -> Result<Vec<StatisticDiff>> {
        new.compare_to(old, self.key_type, self.cumulative)
    }
}
