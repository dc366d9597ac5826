//! Claims on estimates: of recordings that hold samples, drawn here by points on the bytes of each thread, figures are right in the mean
//! and as far off as they say.

use std::collections::BTreeMap;

use tm_analyzer::analysis::Frames;
use tm_analyzer::model::{Cumulative, KeyType, Profile, Uncertainty};
use tm_analyzer::request::{Grouping, Request, Time};
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, Space, StackId, Stamp, ThreadIndex};
use tm_common::sampling::{SampleRate, Totals};
use tm_testing::{Random, RecordingBuilder};

const FIRST: ProcessIndex = ProcessIndex(0);
const RATE_BYTES: u64 = 512 << 10;
const MIB: u64 = 1 << 20;

/// A block of a program: where it is allocated, its size, and whether it lives on.
#[derive(Clone, Copy)]
struct Made {
    line: u64,
    size: u64,
    lives: bool,
}

/// Four kinds of programs: of small blocks, of all sizes, of a few large ones among small ones, and one that frees most.
fn program(kind: u64) -> Vec<Made> {
    let mut random = Random::new(77 + kind);
    let mut made = Vec::new();
    let n_blocks = [60_000, 1_500, 40_000, 2_500][kind as usize];
    for _ in 0..n_blocks {
        let line = random.below(5);
        let size = match kind {
            0 => 64 << line,
            1 => 8 << random.below(24),
            2 if random.below(400) == 0 => MIB << random.below(7),
            2 => 16 + random.below(500),
            _ => 100_000 * line + random.below(50_000),
        };
        made.push(Made { line, size, lives: kind < 3 || random.below(10) == 0 });
    }
    made
}

/// The distance to the next point, exponentially distributed.
fn distance(random: &mut Random) -> f64 {
    let uniform = (random.below(1 << 53) as f64 + 0.5) / (1_u64 << 53) as f64;
    -uniform.ln() * RATE_BYTES as f64
}

/// A recording of the blocks into which points fall, with what was exact beside them.
fn recording(program: &[Made], random: &mut Random) -> tempfile::NamedTempFile {
    let mut builder = RecordingBuilder::with_process();
    builder.sample_rate = SampleRate::of_bytes(RATE_BYTES).expect("it is a rate");
    builder.module(0, 0, (0x1000, 0x9000), "/nowhere/program");
    let stacks: Vec<StackId> = (0..5).map(|line| builder.node(StackId::NONE, 0x1100 + 16 * line)).collect();
    let mut totals = Totals::default();
    let mut next = distance(random);
    for (place, made) in program.iter().enumerate() {
        let stamp = Stamp(10 + 2 * place as u64);
        let address = Address(4096 * (1 + place as u64));
        totals.n_allocated += 1;
        totals.bytes += made.size;
        totals.held_bytes += made.size as i64;
        totals.held_high = totals.held_high.max(totals.held_bytes);
        let is_drawn = next < made.size.max(1) as f64;
        next -= made.size.max(1) as f64;
        while next <= 0.0 {
            next += distance(random);
        }
        if is_drawn {
            let (size, stack) = (made.size, stacks[made.line as usize]);
            builder.event(
                FIRST,
                0,
                &Event::Allocate { function: Function::Malloc, address, size, stack, stamp },
            );
            builder.event(FIRST, 0, &Event::Totals { space: Space::HEAP, totals, stamp });
            totals.held_high = totals.held_bytes;
        }
        if !made.lives {
            let stamp = Stamp(stamp.0 + 1);
            if is_drawn {
                builder.event(FIRST, 0, &Event::Totals { space: Space::HEAP, totals, stamp });
                builder.event(FIRST, 0, &Event::Free { function: Function::Free, address, stamp });
            }
            totals.n_freed += 1;
            totals.held_bytes -= made.size as i64;
        }
    }
    builder.totals(FIRST, ThreadIndex(0), Space::HEAP, &totals);
    builder.file()
}

/// What is found of a line over many runs.
#[derive(Default)]
struct Found {
    sums: [f64; 2],
    n_held: [u32; 2],
    n_samples: u64,
}

impl Found {
    fn add(&mut self, estimate: [u64; 2], uncertainty: &Uncertainty, exact: [u64; 2]) {
        let errors = [uncertainty.bytes(), uncertainty.count()];
        self.n_samples += uncertainty.n_samples;
        for measure in 0..2 {
            self.sums[measure] += estimate[measure] as f64;
            let is_held = estimate[measure].abs_diff(exact[measure]) <= errors[measure] + 1;
            self.n_held[measure] += u32::from(is_held);
        }
    }
}

fn grouping() -> Grouping {
    Grouping { key_type: KeyType::Traceback, plumbing: None, frames: Frames::All, ..Grouping::default() }
}

fn lines(profile: &Profile) -> BTreeMap<u64, ([u64; 2], Uncertainty)> {
    let statistics = profile.statistics(KeyType::Traceback, Cumulative::Off).expect("it is grouped");
    let line = |stat: &tm_analyzer::model::Statistic| {
        let address = stat.traceback.most_recent().and_then(|frame| frame.address).expect("it has one");
        ((address - 0x100) / 16, ([stat.size, stat.count], stat.uncertainty))
    };
    statistics.iter().map(line).collect()
}

/// The blocks of each line that live on: bytes and number.
fn exact_lines(program: &[Made]) -> BTreeMap<u64, [u64; 2]> {
    let mut exact: BTreeMap<u64, [u64; 2]> = BTreeMap::new();
    for made in program.iter().filter(|made| made.lives) {
        let sum = exact.entry(made.line).or_default();
        sum[0] += made.size;
        sum[1] += 1;
    }
    exact
}

/// How far an estimate of each line is from right: the variances of bytes and number, from what there was.
fn variances(program: &[Made]) -> BTreeMap<u64, [f64; 2]> {
    let mut variances: BTreeMap<u64, [f64; 2]> = BTreeMap::new();
    for made in program.iter().filter(|made| made.lives) {
        let (size, sum) = (made.size.max(1) as f64, variances.entry(made.line).or_default());
        let chance = 1.0 - (-size / RATE_BYTES as f64).exp();
        let part = (1.0 / chance).fract();
        sum[0] += size * size * (1.0 - chance) / chance;
        // What a sample stands for is rounded.
        sum[1] += (1.0 - chance) / chance + chance * part * (1.0 - part);
    }
    variances
}

/// One program after the other is drawn again and again. `TM_SOAK=1`: 1,000 times each.
#[test]
fn estimates_are_right_in_the_mean_and_as_far_off_as_they_say() {
    let n_runs: u32 = if std::env::var_os("TM_SOAK").is_some() { 1_000 } else { 250 };
    for kind in 0..4 {
        let (program, mut random) = (program(kind), Random::new(3 + kind));
        let (exact, variances) = (exact_lines(&program), variances(&program));
        let whole = program.iter().fold([0, 0], |[bytes, count], made| [bytes + made.size, count + 1]);
        let mut found: BTreeMap<u64, Found> = BTreeMap::new();
        let mut n_off = 0;
        for _ in 0..n_runs {
            let file = recording(&program, &mut random);
            let time = Time::At(tm_analyzer::model::Moment::End);
            let request = Request { time, grouping: grouping(), ..Request::of(file.path()) };
            let profile = request.profile().expect("it is read");
            let sampling = profile.origin.as_ref().and_then(|origin| origin.sampling).expect("it is sampled");
            assert_eq!([sampling.bytes, sampling.allocations], whole, "these are exact");
            assert_eq!(sampling.sample_bytes, RATE_BYTES);
            n_off += u32::from(sampling.is_off());
            let estimated = lines(&profile);
            for (&line, &exact) in &exact {
                let nothing = ([0, 0], Uncertainty::EXACT);
                let (amount, uncertainty) = estimated.get(&line).unwrap_or(&nothing);
                found.entry(line).or_default().add(*amount, uncertainty, exact);
            }
        }
        assert!(n_off <= 3, "of a thousand one is off: {n_off} of {n_runs}");
        for (line, found) in found {
            for measure in 0..2 {
                let mean = found.sums[measure] / f64::from(n_runs);
                let error = (variances[&line][measure] / f64::from(n_runs)).sqrt();
                let exact = exact[&line][measure] as f64;
                let what = format!(
                    "program {kind}, line {line}, measure {measure}: {mean} ± {error}, exact {exact}"
                );
                // A few samples of the smallest blocks decide on the number of all where sizes are of all kinds.
                let is_wide = measure == 1 && (kind == 1 || kind == 2);
                let sigmas = if is_wide { 5.0 } else { 3.0 };
                assert!((mean - exact).abs() <= sigmas * error + 1.0, "{what}");
                let held = f64::from(found.n_held[measure]) / f64::from(n_runs);
                let n_samples = found.n_samples / u64::from(n_runs);

                // Where sizes are of all kinds, most blocks are so small that their number is mostly too low and seldom much too high.
                let is_many = n_samples >= 3 && !is_wide;
                assert!(!is_many || (0.91..=1.0).contains(&held), "{what}: {held} hold it");
            }
        }
    }
}
