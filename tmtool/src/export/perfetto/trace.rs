//! The packets of a trace, in their order: clocks, processes, tables, then heap dumps.

use std::io::{self, Write};
use std::sync::Arc;

use super::interned::Interned;
use crate::export::frames::clean;
use crate::export::protobuf::{Field, Message};
use crate::tree::Tree;
use tm_analyzer::model::{Amount, Frame};

// `Trace` and `TracePacket` of trace_packet.proto.
const PACKET: Field = 1;
const PROCESS_TREE: Field = 2;
const CLOCK_SNAPSHOT: Field = 6;
const TIMESTAMP: Field = 8;
const SEQUENCE_ID: Field = 10;
const INTERNED_DATA: Field = 12;
const SEQUENCE_FLAGS: Field = 13;
const PROFILE_PACKET: Field = 37;

// `SequenceFlags`.
const INCREMENTAL_STATE_CLEARED: u64 = 1;
const NEEDS_INCREMENTAL_STATE: u64 = 2;

// `BuiltinClock`.
const REALTIME: u64 = 1;
const MONOTONIC: u64 = 3;
const MONOTONIC_COARSE: u64 = 4;
const BOOTTIME: u64 = 6;

/// Any number but 0: all packets are of one sequence.
const SEQUENCE: u64 = 1;
/// A packet is ended when it has this many bytes: readers take one as a whole into their memory.
const PACKET_BYTES: usize = 1 << 20;
/// Each allocation is recorded.
const SAMPLING_INTERVAL_BYTES: u64 = 1;

/// What a trace is made of.
pub struct Perfetto<'a> {
    /// When the recording began, in ns since 1970.
    pub start_realtime_ns: u64,
    /// The processes.
    pub processes: &'a [PerfettoProcess],
    /// The frames, by number.
    pub frames: &'a [Arc<Frame>],
    /// The stacks of numbers of frames.
    pub tree: &'a Tree,
    /// The nodes of the stacks, by number.
    pub stacks: &'a [u32],
    /// What was allocated and freed, in the order of time for each process.
    pub dumps: &'a [HeapDump],
}

/// A process of the trace.
pub struct PerfettoProcess {
    /// Its number.
    pub pid: u32,
    /// The same of the process which forked it, 0 if that is not known.
    pub parent: u32,
    /// Its command line.
    pub command_line: Vec<String>,
}

/// What a process had allocated and freed up to a moment.
pub struct HeapDump {
    /// The process.
    pub pid: u32,
    /// When, in ns since the start of the recording.
    pub ns: u64,
    /// The sums, by domain and stack.
    pub sites: Vec<Site>,
}

/// Sums of one stack in a domain.
pub struct Site {
    /// The domain's name.
    pub domain: Arc<str>,
    /// The stack's number.
    pub stack: u32,
    /// What was allocated.
    pub allocated: Amount,
    /// What is left of it.
    pub live: Amount,
}

impl Perfetto<'_> {
    /// Writes the trace.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let first = packet().number(SEQUENCE_FLAGS, INCREMENTAL_STATE_CLEARED);
        put(out, &first.message(CLOCK_SNAPSHOT, &self.clocks()))?;
        put(out, &packet().number(TIMESTAMP, 0).message(PROCESS_TREE, &self.process_tree()))?;
        let mut interned = Interned::default();
        for frame in self.frames {
            interned.add_frame(frame);
            flush(out, &mut interned, PACKET_BYTES)?;
        }
        for &node in self.stacks {
            interned.add_stack(self.tree, node);
            flush(out, &mut interned, PACKET_BYTES)?;
        }
        flush(out, &mut interned, 1)?;
        self.write_dumps(out)
    }

    /// All clocks go from the recording's start, but that of the day.
    fn clocks(&self) -> Message {
        let clock = |id, ns| Message::new().number(1, id).number(2, ns);
        [(BOOTTIME, 0), (MONOTONIC, 0), (MONOTONIC_COARSE, 0), (REALTIME, self.start_realtime_ns)]
            .into_iter()
            .fold(Message::new(), |snapshot, (id, ns)| snapshot.message(1, &clock(id, ns)))
    }

    fn process_tree(&self) -> Message {
        let process = |process: &PerfettoProcess| {
            let numbers = Message::new().number(1, process.pid.into()).number(2, process.parent.into());
            process.command_line.iter().fold(numbers, |process, word| process.text(3, clean(word).as_bytes()))
        };
        self.processes.iter().fold(Message::new(), |tree, one| tree.message(1, &process(one)))
    }

    /// A dump is of one or of several packets, all but the last of which say that it goes on.
    fn write_dumps(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut index = 0;
        for dump in self.dumps {
            let mut begun = Message::new();
            let mut put_packet = |body: &Message, goes_on: bool| {
                let body = body.clone().number(6, goes_on.into()).number(7, index);
                index += 1;
                let packet =
                    packet().number(TIMESTAMP, dump.ns).number(SEQUENCE_FLAGS, NEEDS_INCREMENTAL_STATE);
                put(out, &packet.message(PROFILE_PACKET, &body))
            };
            for sites in dump.sites.chunk_by(|one, other| one.domain == other.domain) {
                for sites in sites.chunks(PACKET_BYTES / 64) {
                    begun.put_bytes(5, dump.samples(sites).bytes());
                    if begun.bytes().len() >= PACKET_BYTES / 2 {
                        put_packet(&begun, true)?;
                        begun = Message::new();
                    }
                }
            }
            put_packet(&begun, false)?;
        }
        Ok(())
    }
}

impl HeapDump {
    /// `ProcessHeapSamples` of some sites of one domain.
    fn samples(&self, sites: &[Site]) -> Message {
        let mut samples = Message::new().number(1, self.pid.into()).number(9, self.ns);
        let domain = sites.first().map_or("", |site| &*site.domain);
        samples.put_bytes(11, clean(domain).as_bytes());
        samples.put_number(12, SAMPLING_INTERVAL_BYTES);
        let mut sample = Message::new();
        for Site { stack, allocated, live, .. } in sites {
            sample.clear();
            let gone =
                [allocated.bytes.saturating_sub(live.bytes), allocated.count.saturating_sub(live.count)];
            let fields = [u64::from(*stack) + 1, allocated.bytes, gone[0], self.ns, allocated.count, gone[1]];
            (1..).zip(fields).for_each(|(field, number)| sample.put_number(field, number));
            samples.put_bytes(2, sample.bytes());
        }
        samples
    }
}

fn packet() -> Message {
    Message::new().number(SEQUENCE_ID, SEQUENCE)
}

/// Writes the tables if they have at least `least` bytes.
fn flush(out: &mut dyn Write, interned: &mut Interned, least: usize) -> io::Result<()> {
    if interned.data.bytes().len() < least {
        return Ok(());
    }
    let data = std::mem::take(&mut interned.data);
    put(out, &packet().number(SEQUENCE_FLAGS, NEEDS_INCREMENTAL_STATE).message(INTERNED_DATA, &data))
}

fn put(out: &mut dyn Write, packet: &Message) -> io::Result<()> {
    out.write_all(Message::new().start(PACKET, packet.bytes().len()).bytes())?;
    out.write_all(packet.bytes())
}
