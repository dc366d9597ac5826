//! A Perfetto trace with heap profiles, for ui.perfetto.dev and trace_processor: what each stack allocated and freed, of each
//! process and domain, up to its peak and up to the end. Perfetto makes live bytes of it.

mod interned;
mod trace;

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lived::{lives_of, own_blocks, own_end};
use super::points::Points;
use super::shown::ShownStacks;
use super::{Events, Format, Needs, Writer};
use crate::errors::StreamError;
use tm_analyzer::model::Amount;
use tm_analyzer::reader::{Process, Recording};
use tm_analyzer::replay::ProgramPoint;
use tm_common::ids::{Space, Stamp};
use trace::{HeapDump, Perfetto, PerfettoProcess, Site};

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "perfetto",
    suffix: ".perfetto-trace",
    purpose: "A Perfetto trace with heap profiles, for ui.perfetto.dev and SQL in trace_processor",
    loses: "threads, tags, and all moments but the peak and the end",
    next: "open {} in https://ui.perfetto.dev",
    needs: Needs::Events,
    takes_measure: false,
    counts_samples: false,
    is_text: false,
    is_like: |start| start.starts_with(&[0x0a]),
    write: Writer::Events(write),
};

/// Writes a Perfetto trace.
///
/// # Errors
/// The recording cannot be read, or `out` cannot be written to.
pub fn write(events: &Events<'_>, out: &mut dyn Write) -> Result<(), StreamError> {
    let recorded = events.recorded;
    let (recording, selection) = (&recorded.recording, &recorded.selection);
    let mut stacks = ShownStacks::at_end(events);
    let points = RefCell::new(Points::new(|stack, called| stacks.place(stack, called)));
    let places = RefCell::new(Places::default());
    let (mut dumps, mut found_processes) = (Vec::new(), Vec::new());
    recorded.run(
        |engine| {
            lives_of(recorded, engine, |block| {
                let stack = points.borrow_mut().of(block.stack);
                places.borrow_mut().of(block.space, stack)
            })
        },
        |engine, lives| {
            let found = recording.process(engine.process());
            found_processes.extend(found.map(|process| perfetto_process(recording, process)));
            let pid = found.map_or(0, |process| process.pid);
            let until = own_end(recorded, engine.process());
            let peak = lives.peak_stamp.min(until);
            let live = own_blocks(recorded, engine.process(), engine.live().iter(selection.memory_kind()));
            let lives = lives.finish(live, until);
            let places = places.borrow();
            let dump = |at: Stamp, figures: fn(&ProgramPoint) -> [Amount; 2]| HeapDump {
                pid,
                ns: recording.ns(at),
                sites: places.sites(recording, &lives, figures),
            };
            if peak < until {
                dumps.push(dump(peak, |life| [life.allocated_at_peak, life.live_at_peak]));
            }
            dumps.push(dump(until, |life| [life.allocated, life.live]));
        },
    )?;
    let points = points.into_inner();
    let trace = Perfetto {
        start_realtime_ns: recording.header.start_realtime_ns,
        processes: &found_processes,
        frames: &points.numbers.frames,
        tree: &points.tree,
        stacks: &points.stacks,
        dumps: &dumps,
    };
    Ok(trace.write(out)?)
}

fn perfetto_process(recording: &Recording, process: &Process) -> PerfettoProcess {
    let parent = process.parent.and_then(|parent| recording.process(parent));
    let (pid, parent) = (process.pid, parent.map_or(0, |parent| parent.pid));
    PerfettoProcess { pid, parent, command_line: process.command_line.clone() }
}

/// Stacks by the space that their blocks are in, by number.
#[derive(Default)]
struct Places {
    /// One more than the number of each stack's place in a space, by the stack's number; 0 for none. There are few spaces.
    numbers: Vec<(Space, Vec<u32>)>,
    places: Vec<(Space, u32)>,
}

impl Places {
    #[inline]
    fn of(&mut self, space: Space, stack: u32) -> u32 {
        let of_space = self.numbers.iter().find(|(known, _)| *known == space);
        match of_space.and_then(|(_, numbers)| numbers.get(stack as usize)) {
            Some(&number) if number > 0 => number - 1,
            _ => self.new_place(space, stack),
        }
    }

    #[cold]
    fn new_place(&mut self, space: Space, stack: u32) -> u32 {
        let of_space = self.numbers.iter().position(|(known, _)| *known == space);
        let of_space = of_space.unwrap_or_else(|| {
            self.numbers.push((space, Vec::new()));
            self.numbers.len() - 1
        });
        let (_, numbers) = &mut self.numbers[of_space];
        if numbers.len() <= stack as usize {
            numbers.resize(stack as usize + 1, 0);
        }
        self.places.push((space, stack));
        numbers[stack as usize] = self.places.len() as u32;
        self.places.len() as u32 - 1
    }

    /// The sums of all places that have any, by domain.
    fn sites(
        &self,
        recording: &Recording,
        lives: &[ProgramPoint],
        figures: fn(&ProgramPoint) -> [Amount; 2],
    ) -> Vec<Site> {
        let mut names: FxHashMap<Space, Arc<str>> = FxHashMap::default();
        let mut sites = Vec::new();
        for (&(space, stack), life) in self.places.iter().zip(lives) {
            let [allocated, live] = figures(life);
            if allocated.count > 0 {
                let domain = names.entry(space).or_insert_with(|| domain_name(recording, space).into());
                sites.push(Site { domain: Arc::clone(domain), stack, allocated, live });
            }
        }
        sites.sort_by(|one, other| (&one.domain, one.stack).cmp(&(&other.domain, other.stack)));
        sites
    }
}

/// The domain's name, as Perfetto has it of the C allocator.
fn domain_name(recording: &Recording, space: Space) -> String {
    match recording.domain(space) {
        _ if space == Space::HEAP => "libc.malloc".to_owned(),
        (domain, "") => domain.0.to_string(),
        (_, name) => name.to_owned(),
    }
}
