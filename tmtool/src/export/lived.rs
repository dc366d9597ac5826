//! From a recording to what the formats of lives and events are made of.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::dhat::Dhat;
use super::heaptrack::{DataFile, Events};
use super::massif::{Massif, MassifMoment};
use super::perfetto::{HeapDump, Perfetto, PerfettoProcess, Site};
use super::points::Points;
use tm_analyzer::error::Result;
use tm_analyzer::events::Block;
use tm_analyzer::model::{Amount, Traceback};
use tm_analyzer::reader::{Process, Recording};
use tm_analyzer::replay::{Engine, Life, Lived, Lives, Moments, Processes, ended_at, forked_at, stamp_at};
use tm_analyzer::request::{Grouping, Recorded};
use tm_common::ids::{ProcessIndex, Space, StackId, Stamp};

/// As many moments as massif itself keeps at most, and of how many one is told with its stacks.
const MOMENTS: u32 = 100;
const DETAILED_EVERY: u32 = 10;

/// What writing came to, within what reading came to.
type Written = Result<io::Result<()>>;

/// Writes heaptrack's data file.
///
/// # Errors
/// All processes are asked for, or the recording cannot be read.
pub fn heaptrack(recorded: &Recorded, grouping: &Grouping, out: &mut dyn Write) -> Written {
    recorded.one_process("heaptrack's data")?;
    let Recorded { recording, selection, .. } = recorded;
    let name = RefCell::new(namer(recorded, grouping));
    let file = RefCell::new(DataFile::new(out, command_line(recorded)));
    let kind = selection.memory_kind();
    recorded.run(
        |engine| Events::new(recording, selection, (&file, &name), engine.live().iter(kind)),
        |_, _| (),
    )?;
    Ok(file.into_inner().finish(recorded.end().ns).map(drop))
}

/// Writes DHAT's file.
///
/// # Errors
/// As [`heaptrack`].
pub fn dhat(recorded: &Recorded, grouping: &Grouping, out: &mut dyn Write) -> Written {
    recorded.one_process("DHAT's global maximum")?;
    let points = RefCell::new(Points::new(namer(recorded, grouping)));
    let (mut lives, mut peak) = (Vec::new(), Stamp(0));
    recorded.run(
        |engine| lives_of(recorded, engine, |block| points.borrow_mut().of(block.stack)),
        |engine, found| {
            peak = found.peak_stamp;
            lives = found.finish(engine.live().iter(recorded.selection.memory_kind()), end_stamp(recorded));
        },
    )?;
    let points = points.into_inner();
    let stacks = points.stacks.iter().map(|stack| &**stack);
    let recording = &recorded.recording;
    let dhat = Dhat {
        command_line: command_line(recorded),
        pid: process(recorded).map_or(0, |process| process.pid),
        peak_ns: recording.ns(peak),
        end_ns: recorded.end().ns,
        ns_per_stamp: ns_per_stamp(recording),
        frames: &points.numbers.frames,
        points: &stacks.zip(lives).collect::<Vec<(&[u32], Life)>>(),
    };
    Ok(dhat.write(out))
}

/// Writes massif's file.
///
/// # Errors
/// As [`heaptrack`].
pub fn massif(recorded: &Recorded, grouping: &Grouping, out: &mut dyn Write) -> Written {
    recorded.one_process("massif's peak")?;
    let points = RefCell::new(Points::new(namer(recorded, grouping)));
    let mut moments = Vec::new();
    let until = end_stamp(recorded);
    recorded.run(
        |engine| {
            let lives = lives_of(recorded, engine, |block| points.borrow_mut().of(block.stack));
            Moments::new(lives, (recorded.begin().stamp, until), MOMENTS, DETAILED_EVERY)
        },
        |engine, found| {
            let (noted, lives) = found.finish();
            let (at, peak) = (lives.peak_stamp, lives.peak);
            let live = engine.live().iter(recorded.selection.memory_kind());
            let places = lives.finish(live, until).into_iter().map(|life| life.live_at_peak).zip(0..);
            let places = places.filter(|(live, _)| live.count > 0).map(|(live, place)| (place, live));
            let peak = Lived { at, live: peak, places: Some(places.collect()) };
            moments = with_peak(&recorded.recording, noted, peak);
        },
    )?;
    let points = points.into_inner();
    let description = format!("--time-unit=ms (tmtool {} export massif)", env!("CARGO_PKG_VERSION"));
    let massif = Massif {
        command_line: command_line(recorded),
        description: &description,
        frames: &points.numbers.frames,
        stacks: &points.stacks,
        moments: &moments,
    };
    Ok(massif.write(out))
}

/// The moments in the order of time with the peak among them, once.
fn with_peak(recording: &Recording, noted: Vec<Lived>, peak: Lived) -> Vec<MassifMoment> {
    let place = noted.partition_point(|lived| lived.at < peak.at);
    let moment = |is_peak: bool, lived: Lived| {
        let Lived { at, live, places } = lived;
        MassifMoment { ns: recording.ns(at), live, places, is_peak }
    };
    let is_other = |lived: &Lived| lived.at != peak.at || lived.places.is_some();
    let mut noted = noted;
    let later = noted.split_off(place).into_iter().filter(is_other).collect::<Vec<_>>();
    let earlier = noted.into_iter().map(|lived| moment(false, lived));
    earlier
        .chain(std::iter::once(moment(true, peak.clone())))
        .chain(later.into_iter().map(|lived| moment(false, lived)))
        .collect()
}

/// Writes a Perfetto trace.
///
/// # Errors
/// The recording cannot be read.
pub fn perfetto(recorded: &Recorded, grouping: &Grouping, out: &mut dyn Write) -> Written {
    let Recorded { recording, selection, processes, .. } = recorded;
    let points = RefCell::new(Points::new(namer(recorded, grouping)));
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
            let dump = |at: Stamp, figures: fn(&Life) -> [Amount; 2]| HeapDump {
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
    debug_assert!(*processes == Processes::All || found_processes.len() <= 1);
    let points = points.into_inner();
    let trace = Perfetto {
        start_realtime_ns: recording.header.start_realtime_ns,
        processes: &found_processes,
        frames: &points.numbers.frames,
        stacks: &points.stacks,
        dumps: &dumps,
    };
    Ok(trace.write(out))
}

fn perfetto_process(recording: &Recording, process: &Process) -> PerfettoProcess {
    let parent = process.parent.and_then(|parent| recording.process(parent));
    let (pid, parent) = (process.pid, parent.map_or(0, |parent| parent.pid));
    PerfettoProcess { pid, parent, command_line: process.command_line.clone() }
}

/// Stacks by the space that their blocks are in, by number.
#[derive(Default)]
struct Places {
    numbers: FxHashMap<(Space, u32), u32>,
    places: Vec<(Space, u32)>,
}

impl Places {
    fn of(&mut self, space: Space, stack: u32) -> u32 {
        *self.numbers.entry((space, stack)).or_insert_with(|| {
            self.places.push((space, stack));
            self.places.len() as u32 - 1
        })
    }

    /// The sums of all places that have any, by domain.
    fn sites(&self, recording: &Recording, lives: &[Life], figures: fn(&Life) -> [Amount; 2]) -> Vec<Site> {
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

/// What watches the lives of a process's blocks, at its start.
fn lives_of<'a, P: FnMut(&Block) -> u32>(
    recorded: &'a Recorded,
    engine: &Engine<'_>,
    place_of: P,
) -> Lives<'a, P> {
    let process = engine.process();
    let inherited = own_blocks(recorded, process, engine.live().iter(recorded.selection.memory_kind()));
    let start = recorded.recording.process(process).map_or(Stamp(0), |process| process.start);
    Lives::new(&recorded.selection, place_of, start, inherited)
}

/// Of all processes, each has what it allocated itself; of one, also what it inherited.
pub(super) fn own_blocks<'a>(
    recorded: &Recorded,
    process: ProcessIndex,
    blocks: impl Iterator<Item = Block> + 'a,
) -> impl Iterator<Item = Block> + 'a {
    let fork = forked_at(&recorded.recording, process).filter(|_| recorded.processes == Processes::All);
    blocks.filter(move |block| fork.is_none_or(|fork| block.birth > fork))
}

/// Names stacks as the reports show them.
fn namer<'a>(recorded: &'a Recorded, grouping: &Grouping) -> impl FnMut(StackId) -> Traceback + use<'a> {
    let mut namer = recorded.namer_at(recorded.until.stamp);
    let mut blame = grouping.blame_of_stacks();
    move |stack| blame.cut(&namer.traceback(&recorded.recording, stack))
}

fn process(recorded: &Recorded) -> Option<&Process> {
    match recorded.processes {
        Processes::One(process) => recorded.recording.process(process),
        Processes::All => recorded.recording.first_process(),
    }
}

fn command_line(recorded: &Recorded) -> &[String] {
    process(recorded).map(|process| process.command_line.as_slice()).unwrap_or_default()
}

/// The last stamp of the time.
fn end_stamp(recorded: &Recorded) -> Stamp {
    let end = recorded.end();
    // The end of a recording is after its last event.
    if end.stamp == Stamp(u64::MAX) { stamp_at(&recorded.recording, end.ns) } else { end.stamp }
}

/// The last stamp of the time, or of a process that ended before.
fn own_end(recorded: &Recorded, process: ProcessIndex) -> Stamp {
    let end = ended_at(&recorded.recording, process);
    end_stamp(recorded).min(end.unwrap_or(Stamp(u64::MAX)))
}

/// Nanoseconds from one stamp to the next.
fn ns_per_stamp(recording: &Recording) -> f64 {
    let clock = &recording.header.clock;
    clock.ns_per_tick() * (1u64 << clock.shift) as f64
}
