//! What was live over time by space, and how much happened, in steps of equal length.

use tm_common::ids::{Space, Stamp};

/// A step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CourseStep {
    /// The bytes of each space when the most of all were live in it.
    pub most: Vec<(Space, u64)>,
    /// How many blocks came.
    pub n_allocations: u64,
    /// How many went.
    pub n_frees: u64,
}

impl CourseStep {
    /// Adds what another process had, and did.
    pub(super) fn add(&mut self, other: &CourseStep) {
        for &(space, bytes) in &other.most {
            match self.most.iter_mut().find(|(known, _)| *known == space) {
                Some((_, sum)) => *sum = sum.saturating_add(bytes),
                None => self.most.push((space, bytes)),
            }
        }
        self.n_allocations += other.n_allocations;
        self.n_frees += other.n_frees;
    }
}

/// The steps so far.
#[derive(Debug)]
pub(super) struct Course {
    /// The last stamp of each step.
    ends: Vec<Stamp>,
    steps: Vec<CourseStep>,
    now: Vec<(Space, u64)>,
    total: u64,
    /// The most of the present step.
    most: u64,
    /// Whether what lives now is the most: it is noted once it is about to change.
    is_at_most: bool,
}

impl Course {
    /// Begins the first of the steps that end at `ends`.
    pub fn new(ends: Vec<Stamp>) -> Course {
        let steps = vec![CourseStep::default()];
        Course { ends, steps, now: Vec::new(), total: 0, most: 0, is_at_most: true }
    }

    /// The last stamp of the present step; of the last there is none.
    #[inline]
    pub fn end(&self) -> Stamp {
        let is_last = self.steps.len() >= self.ends.len();
        let end = self.ends.get(self.steps.len() - 1).filter(|_| !is_last);
        end.copied().unwrap_or(Stamp(u64::MAX))
    }

    /// Goes on to the next step.
    pub fn next_step(&mut self) {
        self.note_most();
        self.steps.push(CourseStep::default());
        (self.most, self.is_at_most) = (self.total, true);
    }

    /// Begins the time anew with what lives now.
    pub fn restart(&mut self) {
        self.steps = vec![CourseStep::default()];
        (self.most, self.is_at_most) = (self.total, true);
    }

    /// A block came; whether it is more than before is decided by [`Course::settle`].
    #[inline]
    pub fn came(&mut self, space: Space, bytes: u64) {
        if let Some(step) = self.steps.last_mut() {
            step.n_allocations += 1;
        }
        self.put(space, bytes);
    }

    /// A block is there from the start.
    #[inline]
    pub fn put(&mut self, space: Space, bytes: u64) {
        // What a mapping replaces goes in the same event, so it may come to less than there was; else there is more now, which
        // is noted later.
        if space == Space::MAPPINGS {
            self.note_most();
        }
        self.total = self.total.saturating_add(bytes);
        match self.now.iter_mut().find(|(known, _)| *known == space) {
            Some((_, sum)) => *sum = sum.saturating_add(bytes),
            None => self.now.push((space, bytes)),
        }
    }

    /// A block goes.
    #[inline]
    pub fn went(&mut self, space: Space, bytes: u64) {
        if let Some(step) = self.steps.last_mut() {
            step.n_frees += 1;
        }
        self.take(space, bytes);
    }

    /// Takes bytes out.
    #[inline]
    pub fn take(&mut self, space: Space, bytes: u64) {
        self.note_most();
        self.total = self.total.saturating_sub(bytes);
        if let Some((_, sum)) = self.now.iter_mut().find(|(known, _)| *known == space) {
            *sum = sum.saturating_sub(bytes);
        }
    }

    /// An event is over.
    #[inline]
    pub fn settle(&mut self) {
        if self.total > self.most {
            (self.most, self.is_at_most) = (self.total, true);
        }
    }

    #[inline]
    fn note_most(&mut self) {
        if std::mem::take(&mut self.is_at_most) {
            self.write_most();
        }
    }

    fn write_most(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.most.clone_from(&self.now);
        }
    }

    /// All steps.
    pub fn finish(mut self) -> Vec<CourseStep> {
        while self.steps.len() < self.ends.len() {
            self.next_step();
        }
        self.note_most();
        self.steps
    }
}
