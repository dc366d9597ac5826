//! What a site did: the figures of all reports in one, as exports and the page need them.

use std::ops::AddAssign;
use std::sync::Arc;

use crate::model::{Amount, Origin, Profile, ProfileRow, StackList, Uncertainty};

/// What was allocated, what went, and what lived, of one site or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// What was allocated in the time, freed or not; a reallocation counts with its new size.
    pub allocated: Amount,
    /// What was freed in the time, of a forked process also of what it had inherited.
    pub freed: Amount,
    /// What was freed before its thread allocated again.
    pub temporary: Amount,
    /// What was live when the process had most, before the time ended.
    pub at_peak: Amount,
    /// What was live at the end of the time.
    pub at_end: Amount,
}

impl AddAssign for Activity {
    #[inline]
    fn add_assign(&mut self, other: Activity) {
        self.allocated += other.allocated;
        self.freed += other.freed;
        self.temporary += other.temporary;
        self.at_peak += other.at_peak;
        self.at_end += other.at_end;
    }
}

/// How far figures of an [`Activity`] are from certain, where samples alone were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ActivityUncertainty {
    /// The uncertainty of [`Activity::allocated`].
    pub allocated: Uncertainty,
    /// The uncertainty of [`Activity::at_peak`].
    pub at_peak: Uncertainty,
    /// The uncertainty of [`Activity::at_end`].
    pub at_end: Uncertainty,
}

impl AddAssign for ActivityUncertainty {
    fn add_assign(&mut self, other: ActivityUncertainty) {
        self.allocated += other.allocated;
        self.at_peak += other.at_peak;
        self.at_end += other.at_end;
    }
}

/// What is counted beside what was allocated and what lives: each takes its time at each event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// [`Activity::freed`].
    pub freed: bool,
    /// [`Activity::temporary`].
    pub temporary: bool,
}

impl Counted {
    /// Nothing beside what was allocated and what lives.
    pub const LEAST: Counted = Counted { freed: false, temporary: false };
    /// What is temporary too.
    pub const WITH_TEMPORARY: Counted = Counted { freed: false, temporary: true };
    /// What is freed too.
    pub const WITH_FREED: Counted = Counted { freed: true, temporary: false };
    /// All.
    pub const ALL: Counted = Counted { freed: true, temporary: true };

    /// What both count.
    #[must_use]
    pub fn both(self, other: Counted) -> Counted {
        Counted { freed: self.freed && other.freed, temporary: self.temporary && other.temporary }
    }

    /// `whole` without the figures that are not counted.
    #[must_use]
    pub fn of(self, whole: Activity) -> Activity {
        let if_counted =
            |is_counted: bool, amount: Amount| if is_counted { amount } else { Amount::default() };
        Activity {
            freed: if_counted(self.freed, whole.freed),
            temporary: if_counted(self.temporary, whole.temporary),
            ..whole
        }
    }
}

/// The moment whose live blocks are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The peak.
    Peak,
    /// The end of the time.
    End,
}

/// What the blocks of one stack, tag, domain and process did.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityRow {
    /// The tag that they were allocated under.
    pub tag: Option<Arc<str>>,
    /// The domain that they are in; 0 is the C allocator's.
    pub domain: u32,
    /// The id of the process that has them, if that is known.
    pub process: Option<u32>,
    /// How much.
    pub amount: Activity,
    /// How far that is from certain; `None` where all blocks are there.
    pub uncertainty: Option<Box<ActivityUncertainty>>,
}

/// What all sites did: they are many more than those that live at a moment, so that their stacks are kept together.
#[derive(Clone, Debug)]
pub struct ActivityProfile {
    /// The sites.
    pub rows: Vec<ActivityRow>,
    /// Their stacks, in the same order.
    pub stacks: StackList,
    /// The most frames that a stack was allowed to keep.
    pub traceback_limit: u32,
    /// The recording and the moment.
    pub origin: Option<Origin>,
    /// The moment that `tmtool stats` shows of the same time.
    pub shown: Shown,
    /// Whether events were added up. Only what is shown is known of a `.snap` file, and of blocks of an age that is asked
    /// for: all else means nothing.
    pub has_events: bool,
    /// What was counted of events: figures that were not are 0, and mean nothing.
    pub counted: Counted,
    /// The time begins after this, in ns since the start of the recording.
    pub from_ns: u64,
    /// The time ends with this.
    pub until_ns: u64,
    /// The names of the domains that occur, by number.
    pub domains: Vec<(u32, String)>,
}

impl ActivityProfile {
    /// What is live at the moment that is shown.
    #[must_use]
    pub fn live(&self, activity: &Activity) -> Amount {
        match self.shown {
            Shown::Peak => activity.at_peak,
            Shown::End => activity.at_end,
        }
    }

    /// How far it is from certain.
    #[must_use]
    pub fn uncertainty(&self, of: &ActivityUncertainty) -> Uncertainty {
        match self.shown {
            Shown::Peak => of.at_peak,
            Shown::End => of.at_end,
        }
    }

    /// The name of a domain; its number, if it has none.
    #[must_use]
    pub fn domain(&self, number: u32) -> String {
        let known = self.domains.iter().find(|(known, name)| *known == number && !name.is_empty());
        known.map_or_else(|| number.to_string(), |(_, name)| name.clone())
    }

    /// All sites together.
    #[must_use]
    pub fn total(&self) -> Activity {
        let mut total = Activity::default();
        self.rows.iter().for_each(|row| total += row.amount);
        total
    }

    /// One of the figures, of the sites that have any of it, with how far it is from certain.
    #[must_use]
    pub fn measure(
        &self,
        figure: impl Fn(&Activity) -> Amount,
        of: impl Fn(&ActivityUncertainty) -> Uncertainty,
    ) -> Profile {
        let (mut stacks, mut rows) = (self.stacks.walk(), Vec::new());
        for ActivityRow { tag, domain, process, amount, uncertainty } in &self.rows {
            let (stack, amount) = (stacks.next_stack(), figure(amount));
            if amount != Amount::default() {
                let (traceback, tag) = (stack.traceback(), tag.clone());
                let (domain, process) = (*domain, *process);
                let uncertainty = uncertainty.as_deref().map_or(Uncertainty::EXACT, &of);
                rows.push(ProfileRow { traceback, tag, domain, process, amount, uncertainty });
            }
        }
        Profile { rows, traceback_limit: self.traceback_limit, origin: self.origin.clone() }
    }
}
