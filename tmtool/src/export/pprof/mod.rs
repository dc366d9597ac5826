//! pprof's `profile.proto`, gzipped: what Go's tools and most services read.
//!
//! Messages are written as they are made, and what they name (functions, addresses, texts) behind them: the order of a
//! protocol buffer's fields does not matter, and memory is that of the names.

mod field;
mod path;

use std::io::{self, Write};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::frames::{clean, function, source_file};
use super::mappings::Mappings;
use super::protobuf::Message;
use super::{Format, Needs, Sites, Writer};
use crate::packed::{Codec, packed};
use crate::report::parts::{estimate, notice};
use crate::tree::Outer;
use path::Path;
use tm_analyzer::ids::Domain;
use tm_analyzer::model::{ActivityProfile, ActivityRow, Amount, Counted, Frame, Origin};
use tm_analyzer::text::hex;

/// The row of the table.
pub const FORMAT: Format = Format {
    name: "pprof",
    suffix: ".pb.gz",
    purpose: "pprof profiles: go tool pprof, Pyroscope, Parca, Grafana, Polar Signals, Perfetto",
    loses: "time, threads, sizes of single blocks, what was freed; addresses are made up, places in files are not",
    next: "go tool pprof -http=: {}",
    needs: Needs::MomentOrSums(Counted::LEAST),
    takes_measure: false,
    counts_samples: false,
    is_text: false,
    is_like: |start| start.starts_with(START),
    write: Writer::Sites(write),
};

/// A sample type of the first two texts.
const START: &[u8] = &[0x0a, 4, 0x08, 1, 0x10, 2];

/// The sample types: the one that is shown first is the last, and the default too.
const SAMPLE_TYPES: [(&str, &str); 4] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];
/// How many of them are known without events.
const N_LIVE: usize = 2;

/// Writes a gzipped profile.
///
/// # Errors
/// Those of `out`.
pub fn write(sites: &Sites<'_>, out: &mut dyn Write) -> io::Result<()> {
    packed(Codec::Gzip, out, |out| write_profile(sites, out))
}

fn write_profile(sites: &Sites<'_>, out: &mut dyn Write) -> io::Result<()> {
    let activity = sites.activity;
    let program = activity.origin.as_ref().map_or("", |origin| &origin.program);
    let mappings = Mappings::of(activity.stacks.frames(), program);
    let mut tables = Tables { mappings, ..Tables::new() };
    let types = if activity.has_events { &SAMPLE_TYPES[..] } else { &SAMPLE_TYPES[N_LIVE..] };
    for (name, unit) in types {
        put(out, field::profile::SAMPLE_TYPE, &tables.value_type(name, unit))?;
    }
    let has_processes = activity.rows.windows(2).any(|rows| rows[0].process != rows[1].process);
    let (mut stacks, mut sample) = (activity.stacks.walk(), Message::new());
    for row in &activity.rows {
        let frames = stacks.next_stack().frames;
        if tables.sample(activity, (row, frames), has_processes, &mut sample) {
            put(out, field::profile::SAMPLE, &sample)?;
        }
    }
    let head = tables.head(activity);
    out.write_all(head.bytes())?;
    tables.write(out)
}

fn put(out: &mut dyn Write, field: u32, message: &Message) -> io::Result<()> {
    out.write_all(Message::new().start(field, message.bytes().len()).bytes())?;
    out.write_all(message.bytes())
}

/// What samples name by numbers; those of all but texts begin at 1.
#[derive(Default)]
struct Tables {
    mappings: Mappings,
    texts: Vec<String>,
    of_text: FxHashMap<String, u64>,
    functions: Vec<Message>,
    /// The numbers by name and file.
    of_function: FxHashMap<[u64; 2], u64>,
    locations: Vec<Message>,
    of_location: FxHashMap<(u64, u64, Vec<[u64; 2]>), u64>,
    /// The numbers by the outermost frame of an address and how many there are: frames are shared.
    of_frames: FxHashMap<(usize, usize), u64>,
    /// The locations of the last stack.
    path: Path,
    /// Where those of its frames end in it.
    outer: Outer<usize>,
}

impl Tables {
    fn new() -> Tables {
        let mut tables = Tables::default();
        tables.text("");
        tables
    }

    fn text(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.of_text.get(text) {
            return number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.of_text.insert(text.to_owned(), number);
        number
    }

    fn value_type(&mut self, name: &str, unit: &str) -> Message {
        let (name, unit) = (self.text(name), self.text(unit));
        Message::new().number(field::value_type::TYPE, name).number(field::value_type::UNIT, unit)
    }

    /// Makes the sample of a site; `false` if it has nothing.
    fn sample(
        &mut self,
        activity: &ActivityProfile,
        (row, oldest_first): (&ActivityRow, &[Arc<Frame>]),
        has_processes: bool,
        sample: &mut Message,
    ) -> bool {
        let (allocated, live) = (row.amount.allocated, activity.live(&row.amount));
        let [Amount { bytes: alloc_space, count: alloc_objects }, Amount { bytes, count }] =
            [allocated, live];
        let values = [alloc_objects, alloc_space, count, bytes];
        let values = if activity.has_events { &values[..] } else { &values[N_LIVE..] };
        if values.iter().all(|&value| value == 0) {
            return false;
        }
        sample.clear();
        let n_bytes = self.path(oldest_first);
        sample.put_all(field::sample::LOCATION_ID, self.path.outward(n_bytes));
        for &value in values {
            sample.put_number(field::sample::VALUE, value.min(i64::MAX as u64));
        }
        let domain = (row.domain != Domain::HEAP.0).then(|| activity.domain(row.domain));
        let process = row.process.filter(|_| has_processes).map(|pid| pid.to_string());
        for (key, value) in
            [("tag", row.tag.as_deref()), ("domain", domain.as_deref()), ("process", process.as_deref())]
        {
            if let Some(value) = value {
                let (key, value) = (self.text(key), self.text(&clean(value)));
                let label = Message::new().number(field::label::KEY, key).number(field::label::STR, value);
                sample.put_bytes(field::sample::LABEL, label.bytes());
            }
        }
        true
    }

    /// Puts the locations of a stack into the path. Returns how many bytes of it they are.
    fn path(&mut self, oldest_first: &[Arc<Frame>]) -> usize {
        let mut outer = std::mem::take(&mut self.outer);
        let ends = outer.of_addresses(oldest_first, |caller, frames| {
            let location = self.location(frames);
            self.path.put(caller.unwrap_or(0), location)
        });
        let end = ends.last();
        self.outer = outer;
        end.unwrap_or_else(|| {
            let location = self.location(&[Arc::new(Frame::unknown())]);
            self.path.put(0, location)
        })
    }

    /// The number of an address with its frames, the outermost first.
    fn location(&mut self, frames: &[Arc<Frame>]) -> u64 {
        let key = frames.first().map_or(0, |frame| Arc::as_ptr(frame).addr());
        if let Some(&number) = self.of_frames.get(&(key, frames.len())) {
            return number;
        }
        let number = self.location_of(frames);
        self.of_frames.insert((key, frames.len()), number);
        number
    }

    fn location_of(&mut self, frames: &[Arc<Frame>]) -> u64 {
        let lines: Vec<[u64; 2]> =
            frames.iter().rev().map(|frame| [self.function(frame), u64::from(frame.lineno)]).collect();
        let (mapping, address) = frames.first().map_or((0, 0), |frame| self.mappings.place(frame));
        let next = self.locations.len() as u64 + 1;
        let number = *self.of_location.entry((mapping, address, lines.clone())).or_insert(next);
        if number == next {
            let mut location = Message::new().number(field::location::ID, number);
            if mapping > 0 {
                location.put_number(field::location::MAPPING_ID, mapping);
            }
            location.put_number(field::location::ADDRESS, address);
            for [function, line] in lines {
                let line =
                    Message::new().number(field::line::FUNCTION_ID, function).number(field::line::LINE, line);
                location.put_bytes(field::location::LINE, line.bytes());
            }
            self.locations.push(location);
        }
        number
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let name = self.text(&function(frame));
        let file = self.text(&source_file(frame));
        let next = self.functions.len() as u64 + 1;
        let number = *self.of_function.entry([name, file]).or_insert(next);
        if number == next {
            // A name that is another one than the system's is demangled already: pprof cuts what stands in < > else.
            use field::function::{FILENAME, ID, NAME};
            let function = Message::new().number(ID, number).number(NAME, name);
            self.functions.push(function.number(FILENAME, file));
        }
        number
    }

    /// What is said of the whole.
    fn head(&mut self, activity: &ActivityProfile) -> Message {
        use field::profile::{COMMENT, DEFAULT_SAMPLE_TYPE, DURATION_NANOS, PERIOD, PERIOD_TYPE, TIME_NANOS};
        let period_type = self.value_type("space", "bytes");
        let shown = self.text("inuse_space");
        let sampling = activity.origin.as_ref().and_then(|origin| origin.sampling);
        let period = sampling.map_or(1, |sampling| sampling.sample_bytes);
        let mut head = Message::new().message(PERIOD_TYPE, &period_type).number(PERIOD, period);
        head.put_number(DEFAULT_SAMPLE_TYPE, shown);
        head.put_number(DURATION_NANOS, activity.until_ns.saturating_sub(activity.from_ns));
        let Some(origin) = &activity.origin else { return head };
        if origin.recorded_ns > 0 {
            head.put_number(TIME_NANOS, origin.recorded_ns.saturating_add(origin.moment_ns));
        }
        for comment in comments(origin) {
            let comment = self.text(&clean(&comment));
            head.put_number(COMMENT, comment);
        }
        head
    }

    /// Writes what samples name.
    fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        for mapping in self.mappings.list().to_vec() {
            let (name, build_id) = (self.text(&clean(&mapping.path)), self.text(&hex(&mapping.build_id)));
            use field::mapping::{
                BUILD_ID, FILENAME, HAS_FUNCTIONS, HAS_INLINE_FRAMES, ID, MEMORY_LIMIT, MEMORY_START,
            };
            let message = Message::new().number(ID, mapping.number).number(MEMORY_START, mapping.start);
            let message = message.number(MEMORY_LIMIT, mapping.limit).number(FILENAME, name);
            let mut message = message.number(BUILD_ID, build_id);
            (HAS_FUNCTIONS..=HAS_INLINE_FRAMES).for_each(|flag| message.put_number(flag, 1));
            put(out, field::profile::MAPPING, &message)?;
        }
        self.locations.iter().try_for_each(|location| put(out, field::profile::LOCATION, location))?;
        self.functions.iter().try_for_each(|function| put(out, field::profile::FUNCTION, function))?;
        for text in &self.texts {
            out.write_all(Message::new().text(field::profile::STRING_TABLE, text.as_bytes()).bytes())?;
        }
        Ok(())
    }
}

/// What people read of where it comes from.
fn comments(origin: &Origin) -> Vec<String> {
    let mut comments = vec![
        format!("command line: {}", origin.command_line.join(" ")),
        format!("host: {}, process {}", origin.host, origin.pid),
        format!("moment: {} ({} s)", origin.moment, origin.moment_ns as f64 / 1e9),
        format!("made by tmtool {} of {}", env!("CARGO_PKG_VERSION"), origin.recording),
    ];
    comments.extend(origin.sampling.as_ref().map(estimate::sentence));
    comments.extend(notice::of(origin).into_iter().map(|notice| notice.text));
    comments
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::export::measure::Measure;
    use crate::export::testing::{activity, frame};

    /// The fields of a message: (number, value or bytes).
    fn fields(mut bytes: &[u8]) -> Vec<(u32, u64, &[u8])> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let (&byte, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                value |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return value;
                }
            }
        }
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = varint(&mut bytes);
            let mut content: &[u8] = &[];
            if key & 7 == 2 {
                (content, bytes) = bytes.split_at(value as usize);
            }
            found.push(((key >> 3) as u32, value, content));
        }
        found
    }

    fn written(activity: &ActivityProfile) -> Vec<u8> {
        let (mut out, sites) = (Vec::new(), Sites { activity, before: None, measure: Measure::LiveBytes });
        write(&sites, &mut out).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&out[..]).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn numbers_begin_at_1_and_sums_are_whole() {
        let hostile = frame("f<\"\n\u{1}>", "a\u{10ffff}.c", 3);
        let mut made = activity(&[
            (&[frame("main", "a.c", 1), hostile.clone()], Some("tag"), 10),
            (&[frame("main", "a.c", 1), frame("g", "a.c", 2)], None, 5),
            (&[], None, 7),
        ]);
        let bytes = written(&made);
        let all = fields(&bytes);
        let of =
            |field: u32| all.iter().filter(move |(number, ..)| *number == field).map(|(_, _, bytes)| *bytes);
        let texts: Vec<&str> =
            of(field::profile::STRING_TABLE).map(|text| std::str::from_utf8(text).unwrap()).collect();
        assert_eq!(texts[0], "");
        assert!(texts.contains(&"f<\"\\n\\u{1}>") && texts.contains(&"command line: prog an argument"));
        let values = |sample: &[u8]| -> Vec<u64> {
            let values = fields(sample).into_iter().filter(|(field, ..)| *field == field::sample::VALUE);
            values.map(|(_, value, _)| value).collect()
        };
        let sums: Vec<Vec<u64>> = of(field::profile::SAMPLE).map(values).collect();
        assert_eq!(sums, [[2, 20, 1, 10], [2, 10, 1, 5], [2, 14, 1, 7]]);
        for kind in [field::profile::LOCATION, field::profile::FUNCTION] {
            let ids: Vec<u64> = of(kind).map(|message| fields(message)[0].1).collect();
            assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
        }
        assert_eq!(of(field::profile::FUNCTION).count(), 4, "main, f, g and <unknown>");
        made.has_events = false;
        let bytes = written(&made);
        let n_types =
            fields(&bytes).iter().filter(|(field, ..)| *field == field::profile::SAMPLE_TYPE).count();
        assert_eq!(n_types, N_LIVE);
    }
}
