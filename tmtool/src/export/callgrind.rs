//! Callgrind's format: costs by line, and calls with what came of them, for KCachegrind and callgrind_annotate.
//!
//! What a function allocated and what came of its calls add up only where no function is on a stack twice: readers add the
//! calls of each function. So recursive calls are functions of their own, `f'2` and so on, as Callgrind has them, up to a
//! depth from which on the frames between two calls are left out.

use std::io::{self, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::frames::{clean, function, source_file};
use super::measure::Measure;
use super::{Format, Needs, Sites, Writer};
use crate::tree::Outer;
use tm_analyzer::model::{Activity, ActivityProfile, Counted, Frame};

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "callgrind",
    suffix: ".callgrind.out",
    purpose: "Costs by line and call: KCachegrind, callgrind_annotate",
    loses: "whole stacks (calls are added up by caller and callee, and counted by the blocks that came of them), frames between the \
            eighth call of a function and further ones within it, tags, time",
    next: "kcachegrind {}",
    needs: Needs::MomentOrSums(Counted::WITH_TEMPORARY),
    takes_measure: false,
    counts_samples: false,
    is_text: true,
    is_like: |start| start.starts_with(START.as_bytes()),
    write: Writer::Sites(write),
};

const START: &str = "# callgrind format\n";
/// Readers know the events by short names, and show the long ones.
const EVENTS: [(&str, Measure); 6] = [
    ("LiveBytes", Measure::LiveBytes),
    ("LiveBlocks", Measure::LiveBlocks),
    ("AllocBytes", Measure::AllocatedBytes),
    ("Allocs", Measure::Allocations),
    ("TempBytes", Measure::TemporaryBytes),
    ("TempBlocks", Measure::TemporaryBlocks),
];
/// How often a function may be on a stack; what is between the last of these and further ones is left out.
const RECURSION_MAX: u32 = 8;

/// A function by its number, at a line of it.
type Line = (u32, u32);

/// The figures of all events that are written; of others nothing is meant.
type Figures = [u64; EVENTS.len()];

/// Writes the file.
///
/// # Errors
/// Those of `out`.
pub fn write(sites: &Sites<'_>, out: &mut dyn Write) -> io::Result<()> {
    let activity = sites.activity;
    let events: Vec<_> =
        EVENTS.into_iter().filter(|(_, measure)| activity.has_events || !measure.needs_events()).collect();
    let mut costs = Costs::new(activity, &events);
    let mut stacks = activity.stacks.walk();
    activity.rows.iter().for_each(|row| costs.add(stacks.next_stack().frames, &row.amount));
    costs.end_calls(0);
    let total = costs.figures(&activity.total());
    let total = costs.written(&total).to_vec();
    head(activity, &events, &total, out)?;
    costs.write(out)?;
    writeln!(out, "\ntotals: {}", joined(&total))
}

fn head(
    activity: &ActivityProfile,
    events: &[(&str, Measure)],
    total: &[u64],
    out: &mut dyn Write,
) -> io::Result<()> {
    let origin = activity.origin.clone().unwrap_or_default();
    write!(out, "{START}version: 1\ncreator: tmtool {}\n", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "pid: {}\ncmd: {}\npart: 1\n", origin.pid, clean(&origin.command_line.join(" ")))?;
    writeln!(out, "desc: Recording: {}", clean(&origin.recording))?;
    writeln!(out, "desc: Moment: {}\n\npositions: line", clean(&origin.moment))?;
    for (name, measure) in events {
        writeln!(out, "event: {name} : {}", clean(&measure.words(activity)))?;
    }
    let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
    writeln!(out, "events: {}\nsummary: {}", names.join(" "), joined(total))
}

/// A function of a file of an object, at a depth of recursion.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Function {
    object: u32,
    file: u32,
    name: u32,
    depth: u32,
}

/// Costs as they are added up.
struct Costs<'a> {
    activity: &'a ActivityProfile,
    events: &'a [(&'static str, Measure)],
    texts: Vec<String>,
    of_text: FxHashMap<String, u32>,
    functions: Vec<Function>,
    of_function: FxHashMap<Function, u32>,
    /// Frames are shared: their functions without a depth, with the number of that.
    of_frame: FxHashMap<usize, (Function, u32)>,
    own: FxHashMap<Line, Figures>,
    /// The sums by the line that called and what it called, without the last stack.
    calls: FxHashMap<(Line, u32), Figures>,
    /// The calls of the last stack, and those that its recursion has left out; callers stand before what they call.
    path: Vec<Call>,
    /// How often each function is in it, whatever the depth, by its number without one.
    n_on_path: Vec<u32>,
    /// The places of the frames of the last stack in it.
    outer: Outer<u32>,
}

/// A call that more stacks may come of.
struct Call {
    /// The place of the caller.
    caller: Option<u32>,
    line: Line,
    /// The number of the function without a depth.
    shallow: u32,
    /// What has come of it so far.
    figures: Figures,
}

impl<'a> Costs<'a> {
    fn new(activity: &'a ActivityProfile, events: &'a [(&'static str, Measure)]) -> Costs<'a> {
        Costs {
            activity,
            events,
            texts: Vec::new(),
            of_text: FxHashMap::default(),
            functions: Vec::new(),
            of_function: FxHashMap::default(),
            of_frame: FxHashMap::default(),
            own: FxHashMap::default(),
            calls: FxHashMap::default(),
            path: Vec::new(),
            n_on_path: Vec::new(),
            outer: Outer::default(),
        }
    }

    fn figures(&self, sums: &Activity) -> Figures {
        let mut figures = Figures::default();
        for (figure, (_, measure)) in figures.iter_mut().zip(self.events) {
            *figure = measure.of(self.activity, sums);
        }
        figures
    }

    /// Those that are written.
    fn written<'f>(&self, figures: &'f Figures) -> &'f [u64] {
        figures.get(..self.events.len()).unwrap_or_default()
    }

    fn add(&mut self, oldest_first: &[Arc<Frame>], sums: &Activity) {
        let figures = self.figures(sums);
        if figures.iter().all(|&figure| figure == 0) {
            return;
        }
        let mut outer = std::mem::take(&mut self.outer);
        let innermost = outer.of_frames(oldest_first, |caller, frame| self.called(caller, frame)).next_back();
        self.outer = outer;
        let place = innermost.unwrap_or_else(|| self.called(None, &Arc::new(Frame::unknown())));
        // What this stack shares with the last one may be all of it.
        self.end_calls(place as usize + 1);
        if let Some(call) = self.path.last_mut() {
            add(&mut call.figures, &figures);
            add(self.own.entry(call.line).or_default(), &figures);
        }
    }

    /// The place of the call of a frame's function by its caller. On the way outward no function is there twice.
    fn called(&mut self, caller: Option<u32>, frame: &Arc<Frame>) -> u32 {
        self.end_calls(caller.map_or(0, |caller| caller as usize + 1));
        let (function, shallow) = self.function(frame);
        let is_on_path = self.n_on_path.get(shallow as usize).is_some_and(|&n| n > 0);
        // The nearest one has the greatest depth.
        let nearest = is_on_path.then(|| self.outward(caller).find(|call| call.shallow == shallow)).flatten();
        let before = nearest.and_then(|call| {
            let known = self.functions.get(call.line.0 as usize)?;
            Some((call.caller, known.depth))
        });
        let (caller, depth) = match before {
            None => (caller, 1),
            // That call is left out, and so is what came between.
            Some((outward, RECURSION_MAX)) => (outward, RECURSION_MAX),
            Some((_, depth)) => (caller, depth + 1),
        };
        let number = if depth == 1 { shallow } else { self.number(Function { depth, ..function }) };
        let line = (number, frame.lineno);
        self.path.push(Call { caller, line, shallow, figures: Figures::default() });
        if self.n_on_path.len() <= shallow as usize {
            self.n_on_path.resize(shallow as usize + 1, 0);
        }
        self.n_on_path[shallow as usize] += 1;
        (self.path.len() - 1) as u32
    }

    /// The calls from one place outward.
    fn outward(&self, from: Option<u32>) -> impl Iterator<Item = &Call> {
        let at = |place: Option<u32>| self.path.get(place? as usize);
        std::iter::successors(at(from), move |call| at(call.caller))
    }

    /// Adds the calls from place `n_kept` on to their callers: no more comes of them.
    fn end_calls(&mut self, n_kept: usize) {
        while self.path.len() > n_kept
            && let Some(Call { caller, line, shallow, figures }) = self.path.pop()
        {
            self.n_on_path[shallow as usize] -= 1;
            // Of those that recursion has left out nothing has come.
            let caller = caller.filter(|_| figures != Figures::default());
            let Some(caller) = caller.and_then(|caller| self.path.get_mut(caller as usize)) else { continue };
            add(&mut caller.figures, &figures);
            add(self.calls.entry((caller.line, line.0)).or_default(), &figures);
        }
    }

    /// The function of a frame at the depth 1, and its number.
    fn function(&mut self, frame: &Arc<Frame>) -> (Function, u32) {
        let key = Arc::as_ptr(frame).addr();
        if let Some(&known) = self.of_frame.get(&key) {
            return known;
        }
        let object = self.text(clean(frame.module_path().unwrap_or("???")));
        let (file, name) = (self.text(source_file(frame)), self.text(function(frame)));
        let function = Function { object, file, name, depth: 1 };
        let known = (function, self.number(function));
        self.of_frame.insert(key, known);
        known
    }

    fn text(&mut self, text: String) -> u32 {
        let texts = &mut self.texts;
        *self.of_text.entry(text).or_insert_with_key(|text| {
            texts.push(text.clone());
            (texts.len() - 1) as u32
        })
    }

    fn number(&mut self, function: Function) -> u32 {
        let functions = &mut self.functions;
        *self.of_function.entry(function).or_insert_with(|| {
            functions.push(function);
            (functions.len() - 1) as u32
        })
    }

    /// How many blocks came, where that is known, or live.
    fn n_blocks(&self, figures: &[u64]) -> u64 {
        let blocks = if self.activity.has_events { Measure::Allocations } else { Measure::LiveBlocks };
        let place = self.events.iter().position(|(_, measure)| *measure == blocks);
        place.and_then(|place| figures.get(place)).copied().unwrap_or(0)
    }

    /// Writes each function with its lines and calls.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines: Vec<(Line, Option<u32>, &Figures)> =
            self.own.iter().map(|(&line, figures)| (line, None, figures)).collect();
        lines.extend(self.calls.iter().map(|(&(line, callee), figures)| (line, Some(callee), figures)));
        lines.sort_unstable_by_key(|&((function, line), callee, _)| (function, line, callee));
        let mut names =
            Names { costs: self, known: [FxHashMap::default(), FxHashMap::default(), FxHashMap::default()] };
        let (mut of, mut at) = (None, 0);
        for ((function, line), callee, figures) in lines {
            if of != Some(function) {
                of = Some(function);
                writeln!(out)?;
                names.write(function, ["ob", "fl", "fn"], out)?;
            }
            if let Some(callee) = callee {
                names.write(callee, ["cob", "cfi", "cfn"], out)?;
                // How often it was called is not known, nor the callee's first line; of calls=0 readers take no costs.
                writeln!(out, "calls={} 0", self.n_blocks(figures).max(1))?;
            }
            // Lines are told from the last one, as Callgrind compresses them.
            match i64::from(line) - i64::from(at) {
                0 if at > 0 => write!(out, "*")?,
                difference if at > 0 => write!(out, "{difference:+}")?,
                _ => write!(out, "{line}")?,
            }
            at = line;
            self.written(figures).iter().try_for_each(|figure| write!(out, " {figure}"))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Names that were written: later ones are numbers.
struct Names<'a> {
    costs: &'a Costs<'a>,
    /// The numbers of objects, files and functions.
    known: [FxHashMap<u64, usize>; 3],
}

impl Names<'_> {
    /// Writes the three names of a function behind `words`.
    fn write(&mut self, function: u32, words: [&str; 3], out: &mut dyn Write) -> io::Result<()> {
        let Some(&Function { object, file, name, depth }) = self.costs.functions.get(function as usize)
        else {
            return Ok(());
        };
        // Callgrind's functions have one name in all files; ours are as many as there are.
        let keys = [u64::from(object), u64::from(file), u64::from(function) | 1 << 32];
        for ((word, text), (key, known)) in
            words.into_iter().zip([object, file, name]).zip(keys.into_iter().zip(&mut self.known))
        {
            let next = known.len() + 1;
            let number = *known.entry(key).or_insert(next);
            write!(out, "{word}=({number})")?;
            if number == next {
                let text = self.costs.texts.get(text as usize).map_or("", String::as_str);
                write!(out, " {text}")?;
                if word.ends_with("fn") && depth > 1 {
                    write!(out, "'{depth}")?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

fn add(sums: &mut Figures, figures: &Figures) {
    sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum = sum.saturating_add(*figure));
}

fn joined(figures: &[u64]) -> String {
    figures.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::{activity, frame};

    fn written(activity: &ActivityProfile) -> String {
        let (mut out, sites) = (Vec::new(), Sites { activity, before: None, measure: Measure::LiveBytes });
        write(&sites, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_come_once_and_calls_have_what_came_of_them() {
        let mut made = activity(&[
            (&[frame("main", "a.c", 1), frame("f\n", "a.c", 3)], None, 10),
            (&[frame("main", "a.c", 2), frame("f\n", "a.c", 3)], None, 5),
        ]);
        made.has_events = false;
        let text = written(&made);
        let body = text.split("events: ").nth(1).unwrap();
        assert_eq!(
            body,
            "LiveBytes LiveBlocks\nsummary: 15 2\n\n\
             ob=(1) ???\nfl=(1) a.c\nfn=(1) main\n\
             cob=(1)\ncfi=(1)\ncfn=(2) f\\n\ncalls=1 0\n1 10 1\n\
             cob=(1)\ncfi=(1)\ncfn=(2)\ncalls=1 0\n+1 5 1\n\n\
             ob=(1)\nfl=(1)\nfn=(2)\n+1 15 2\n\n\
             totals: 15 2\n"
        );
    }

    /// Each function has at most the whole: what it allocated and what came of its calls.
    #[test]
    fn recursion_adds_up() {
        for depth in [1, 2, 7, 8, 9, 40] {
            let mut frames = vec![frame("main", "a.c", 1)];
            for _ in 0..depth {
                frames.extend([frame("f", "a.c", 2), frame("g", "a.c", 3)]);
            }
            let made = activity(&[(&frames, None, 10)]);
            let events = [EVENTS[0]];
            let mut costs = Costs::new(&made, &events);
            costs.add(made.stacks.walk().next_stack().frames, &made.rows[0].amount);
            let innermost = costs.path.len() as u32 - 1;
            let mut functions: Vec<u32> = costs.outward(Some(innermost)).map(|call| call.line.0).collect();
            let n_calls = functions.len();
            functions.sort_unstable();
            functions.dedup();
            assert_eq!(functions.len(), n_calls, "none is on the stack twice");
            assert_eq!(n_calls, 1 + 2 * depth.min(RECURSION_MAX as usize));
            costs.end_calls(0);
            assert_eq!((costs.own.len(), costs.calls.len()), (1, n_calls - 1));
            assert!(costs.calls.values().all(|figures| costs.written(figures) == [10]));
        }
        assert!(
            written(&activity(&[(&[frame("f", "a.c", 1), frame("f", "a.c", 1)], None, 1)]))
                .contains(" f'2\n")
        );
    }
}
