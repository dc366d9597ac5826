//! Names for stacks, each looked up once: the largest first, and no longer at a time than a user likes to wait.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;
use tm_common::ids::{StackId, TagIndex};

use super::sums::Running;
use tm_analyzer::analysis::Blame;
use tm_analyzer::model::{SumsBy, Traceback};
use tm_analyzer::reader::Recording;
use tm_analyzer::replay::Site;
use tm_analyzer::request::Grouping;
use tm_analyzer::snapshot::Namer;
use tm_analyzer::symbolize::Search;

/// So many stacks are looked up before the clock is looked at.
const N_BATCH: usize = 256;

/// A stack with its names.
#[derive(Clone, Debug)]
pub struct Named {
    /// All of it.
    pub whole: Traceback,
    /// Up to the frame that is to blame.
    pub blamed: Traceback,
    /// The same where whole stacks are grouped.
    pub stack: Traceback,
}

/// The stacks whose names are known.
pub struct Names {
    namer: Namer,
    whole: Blame,
    blame: Blame,
    blame_of_stacks: Blame,
    known: FxHashMap<StackId, Named>,
    /// The namer's generation that they are of.
    generation: u64,
}

impl Names {
    /// None is known. `grouping` says whom to blame, whatever key it has; files are looked for at the places of `search`.
    pub fn new(grouping: &Grouping, search: &Arc<Search>) -> Names {
        Names {
            namer: Namer::looking_in(search),
            whole: Grouping { plumbing: None, ..grouping.clone() }.blame_of_stacks(),
            blame: grouping.blame_of_lines(),
            blame_of_stacks: grouping.blame_of_stacks(),
            known: FxHashMap::default(),
            generation: 0,
        }
    }

    /// The names of a stack, if they are known.
    pub fn get(&self, stack: StackId) -> Option<&Named> {
        self.known.get(&stack)
    }

    /// Looks up the stacks of `sites` that are not known, until `deadline` (`None`: all of them). Those that hold most
    /// come first, then those that allocated most. Returns how many are left.
    pub fn look_up(
        &mut self,
        recording: &Recording,
        sites: &SumsBy<Site, Running>,
        deadline: Option<Instant>,
    ) -> usize {
        let generation = self.namer.generation(recording);
        if self.generation != generation {
            self.generation = generation;
            self.known.clear();
        }
        let mut wanted: Vec<_> = sites
            .iter()
            .filter(|(site, _)| !self.known.contains_key(&site.stack))
            .map(|(site, sum)| (sum.figures.live.bytes, sum.figures.allocated.bytes, site.stack))
            .collect();
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        let mut n_done = 0;
        for batch in wanted.chunks(N_BATCH) {
            if deadline.is_some_and(|deadline| n_done > 0 && Instant::now() >= deadline) {
                break;
            }
            self.namer.prepare(recording, batch.iter().map(|(.., stack)| *stack));
            for &(.., stack) in batch {
                let named = self.namer.traceback(recording, stack);
                let (blamed, of_stacks) = (self.blame.cut(&named), self.blame_of_stacks.cut(&named));
                self.known.insert(stack, Named { whole: self.whole.cut(&named), blamed, stack: of_stacks });
            }
            n_done += batch.len();
        }
        wanted.len() - n_done
    }

    /// The names of the tags of `sites`.
    pub fn tags(
        &mut self,
        recording: &Recording,
        sites: &SumsBy<Site, Running>,
    ) -> FxHashMap<TagIndex, Arc<str>> {
        let mut tags = FxHashMap::default();
        for (Site { tag, .. }, _) in sites.iter() {
            if !tags.contains_key(tag)
                && let Some(name) = self.namer.tag(recording, *tag)
            {
                tags.insert(*tag, name);
            }
        }
        tags
    }

    /// What kept names from being found, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        self.namer.problems()
    }
}
