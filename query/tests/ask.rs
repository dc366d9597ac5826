//! Questions through the C functions, as `libtm.so` asks them: a recording that the test lays out itself, of blocks that are
//! in the test's own memory, and a host that stands at a moment of it.

use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use tempfile::NamedTempFile;
use tm_analyzer::model::{Cumulative, KeyType, Snapshot};
use tm_common::api::{self, TotalSizeOptions, TotalSizeResult, Traceback, Walk, result};
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, Space, StackId, Stamp};
use tm_common::metadata::{CommandKind, NameKind};
use tm_common::query::QueryHost;
use tm_query::tm_query_api;

// As the reader's own tests have it.
#[allow(dead_code)]
#[path = "../../analyzer/src/reader/testing.rs"]
mod recordings;

use recordings::{RecordingBuilder, file_of};

const POOL: Space = Space(2);
const POOL_DOMAIN: u32 = 77;

/// A program whose memory are the words of an arena.
struct Program {
    arena: Vec<u64>,
    builder: RecordingBuilder,
    stacks: [StackId; 2],
    stamp: u64,
    file: NamedTempFile,
    path: CString,
}

/// Each test has its own moment, in a thread of its own.
static MUTED: AtomicI64 = AtomicI64::new(0);
std::thread_local! {
    static NOW: AtomicU64 = const { AtomicU64::new(0) };
}

extern "C" fn now() -> u64 {
    NOW.with(|now| now.load(Relaxed))
}

extern "C" fn unmute() {
    MUTED.fetch_sub(1, Relaxed);
}

extern "C" fn mute() {
    MUTED.fetch_add(1, Relaxed);
}

impl Program {
    fn new() -> Program {
        let mut builder = RecordingBuilder::new();
        builder.process(None, 0, None);
        builder.module(0, 0, (0x1000, 0x9000), "/nowhere/program");
        builder.name(NameKind::Space, POOL.0.into(), POOL_DOMAIN, "pool");
        let main = builder.node(StackId::NONE, 0x1001);
        let stacks = [builder.node(main, 0x2001), builder.node(main, 0x3001)];
        let file = file_of(&[]);
        // What is known of a recording is kept by its inode, which no later test's file may get.
        std::mem::forget(file.reopen().unwrap());
        let path = CString::new(file.path().as_os_str().as_bytes()).unwrap();
        Program { arena: vec![0; 1 << 16], builder, stacks, stamp: 0, file, path }
    }

    fn address(&self, word: usize) -> u64 {
        self.arena[word..].as_ptr().addr() as u64
    }

    fn event(&mut self, make: impl FnOnce(Stamp) -> Event) {
        self.stamp += 1000;
        let event = make(Stamp(self.stamp));
        self.builder.event(ProcessIndex(0), 0, &event);
    }

    fn malloc(&mut self, word: usize, size: u64, stack: usize) {
        let (address, stack, function) = (Address(self.address(word)), self.stacks[stack], Function::Malloc);
        self.event(|stamp| Event::Allocate { stamp, address, size, stack, function });
    }

    fn free(&mut self, word: usize) {
        let address = Address(self.address(word));
        self.event(|stamp| Event::Free { stamp, address, function: Function::Free });
    }

    fn track(&mut self, space: Space, word: usize, size: u64) {
        let (address, stack) = (Address(self.address(word)), self.stacks[1]);
        self.event(|stamp| Event::Track { stamp, space, address, size, stack });
    }

    fn command(&mut self, kind: CommandKind, argument: u32) {
        self.stamp += 1000;
        self.builder.command(0, kind, argument, self.stamp, "");
    }

    /// Stores a pointer to the middle of what is at `to`.
    fn point(&mut self, from: usize, to: usize) {
        self.arena[from] = self.address(to) + 3;
    }

    /// Writes the recording, and asks at this moment.
    fn ask<T>(&mut self, ask: impl FnOnce(*const QueryHost) -> T) -> T {
        // In place: the file stays the same one.
        std::fs::write(self.file.path(), self.builder.build()).unwrap();
        NOW.with(|now| now.store(self.stamp + 1, Relaxed));
        let status = self.file.as_file().metadata().unwrap();
        let host = QueryHost {
            size: size_of::<QueryHost>(),
            path: self.path.as_ptr(),
            device: status.dev(),
            inode: status.ino(),
            process: 0,
            now,
            unmute,
            mute,
        };
        ask(&host)
    }

    fn traced(&mut self) -> (u64, u64) {
        let (mut current, mut peak) = (u64::MAX, u64::MAX);
        // SAFETY: the host and the places live through the call.
        let code =
            self.ask(|host| unsafe { (tm_query_api.get_traced_memory)(host, &mut current, &mut peak) });
        assert_eq!(code, result::OK);
        (current, peak)
    }

    fn of_domain(&mut self, domain: u32) -> (u64, u64) {
        let (mut current, mut peak) = (u64::MAX, u64::MAX);
        // SAFETY: the host and the places live through the call.
        let code = self
            .ask(|host| unsafe { (tm_query_api.get_domain_memory)(host, domain, &mut current, &mut peak) });
        assert_eq!(code, result::OK);
        (current, peak)
    }

    /// The start, size and domain of the block that holds an address, and its frames' addresses; or why there is none.
    fn traceback(&mut self, address: u64) -> Result<(u64, usize, u32, Vec<usize>), c_int> {
        let mut traceback: *mut Traceback = ptr::null_mut();
        let pointer = ptr::without_provenance::<c_void>(address as usize);
        // SAFETY: the host and the place live through the call.
        let code =
            self.ask(|host| unsafe { (tm_query_api.get_object_traceback)(host, pointer, &mut traceback) });
        // SAFETY: NULL, or what was handed out.
        let Some(seen) = (unsafe { traceback.as_ref() }) else { return Err(code) };
        assert_eq!(code, result::OK);
        // SAFETY: as many as it says.
        let frames = unsafe { std::slice::from_raw_parts(seen.frames, seen.n_frames) };
        let addresses = frames.iter().map(|frame| frame.address).collect();
        let found = (seen.address as u64, seen.size, seen.domain, addresses);
        // SAFETY: it is not used any more.
        unsafe { (tm_query_api.traceback_free)(traceback) };
        Ok(found)
    }

    fn total_size<T>(
        &mut self,
        word: usize,
        options: Option<&TotalSizeOptions>,
        look: impl FnOnce(&TotalSizeResult) -> T,
    ) -> Result<T, c_int> {
        let mut found: *mut TotalSizeResult = ptr::null_mut();
        let pointer = ptr::without_provenance::<c_void>(self.address(word) as usize);
        let options = options.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the host, the options and the place live through the call.
        let code = self.ask(|host| unsafe { (tm_query_api.total_size)(host, pointer, options, &mut found) });
        // SAFETY: NULL, or what was handed out.
        let Some(seen) = (unsafe { found.as_ref() }) else { return Err(code) };
        let answer = look(seen);
        // SAFETY: it is not used any more.
        unsafe { (tm_query_api.total_size_free)(found) };
        Ok(answer)
    }
}

const NO_OPTIONS: TotalSizeOptions = TotalSizeOptions {
    depth_max: 0,
    blocks_max: 0,
    handler: None,
    visit: None,
    context: ptr::null_mut(),
    verbose: 0,
};

#[test]
fn memory_is_what_lives_now_and_at_most() {
    let mut program = Program::new();
    assert_eq!(program.traced(), (0, 0));
    program.malloc(0, 100, 0);
    program.malloc(100, 50, 0);
    program.free(0);
    assert_eq!(program.traced(), (50, 150));
    program.track(POOL, 4000, 1000);
    program.track(Space::MAPPINGS, 0, 4096);
    assert_eq!(program.traced(), (1050, 1050));
    assert_eq!(program.of_domain(0), (50, 50));
    assert_eq!(program.of_domain(POOL_DOMAIN), (1000, 1000));
    assert_eq!(program.of_domain(tm_common::ids::Domain::MAPPINGS.0), (4096, 4096));
    assert_eq!(program.of_domain(12345), (0, 0));
    program.free(100);
    assert_eq!(program.of_domain(0), (0, 50));
    // SAFETY: the host lives through the call.
    assert_eq!(program.ask(|host| unsafe { (tm_query_api.reset_peak)(host) }), result::OK);
    assert_eq!((program.traced(), program.of_domain(0)), ((1000, 1000), (0, 0)));
    program.command(CommandKind::Clear, 0);
    assert_eq!((program.traced(), program.of_domain(POOL_DOMAIN)), ((0, 0), (0, 0)));
    program.malloc(200, 10, 0);
    assert_eq!((program.traced(), program.of_domain(0)), ((10, 10), (10, 10)));
    program.command(CommandKind::Stop, 0);
    assert_eq!((program.traced(), program.of_domain(0)), ((0, 0), (0, 0)));
}

#[test]
fn a_traceback_is_that_of_the_block_that_holds_the_pointer() {
    let mut program = Program::new();
    program.malloc(0, 100, 0);
    program.malloc(1000, 8000, 1);
    let (small, large) = (program.address(0), program.address(1000));
    let of_small = Ok((small, 100, 0, vec![0x1001, 0x2001]));
    let of_large = Ok((large, 8000, 0, vec![0x1001, 0x3001]));
    for (address, expected) in [
        (small, &of_small),
        (small + 99, &of_small),
        (small + 100, &Err(result::NOT_FOUND)),
        (small - 1, &Err(result::NOT_FOUND)),
        (large, &of_large),
        (large + 7999, &of_large),
        (large + 8000, &Err(result::NOT_FOUND)),
        (0, &Err(result::NOT_FOUND)),
        (u64::MAX, &Err(result::NOT_FOUND)),
    ] {
        assert_eq!(&program.traceback(address), expected, "{address:#x}");
    }
    // The index goes on to be right.
    program.free(0);
    program.malloc(50, 20, 0);
    program.track(POOL, 1000, 10);
    program.track(POOL, 9000, 5);
    program.track(Space::MAPPINGS, 0, 1 << 19);
    let pool = program.address(9000);
    let mapping = (small, 1 << 19, u32::from_be_bytes(*b"mmap"), vec![0x1001, 0x3001]);
    assert_eq!(program.traceback(small + 50), Ok(mapping));
    assert_eq!(program.traceback(program.address(52)).map(|found| found.1), Ok(20));
    assert_eq!(program.traceback(large + 5), of_large);
    assert_eq!(program.traceback(pool + 4), Ok((pool, 5, POOL_DOMAIN, vec![0x1001, 0x3001])));
    program.command(CommandKind::Stop, 0);
    assert_eq!(program.traceback(pool), Err(result::NOT_TRACING));
}

#[test]
fn a_traceback_is_formatted_as_tracemalloc_does() {
    let mut program = Program::new();
    program.malloc(0, 100, 0);
    let mut traceback: *mut Traceback = ptr::null_mut();
    let pointer = ptr::without_provenance::<c_void>(program.address(0) as usize);
    let mut buffer = [0; 200];
    // SAFETY: the host and the places live through the calls.
    let text = program.ask(|host| unsafe {
        assert_eq!((tm_query_api.get_object_traceback)(host, pointer, &mut traceback), result::OK);
        let (start, len) = (buffer.as_mut_ptr(), buffer.len());
        let n_bytes = (tm_query_api.traceback_format)(traceback, c_int::MAX, 1, start, len);
        (tm_query_api.traceback_free)(traceback);
        let text = CStr::from_ptr(start).to_str().unwrap().to_owned();
        assert_eq!(n_bytes as usize, text.len());
        text
    });
    // The instruction before the return address is looked up.
    assert_eq!(text, "  File \"program+0x1000\", line 0\n  File \"program+0x0\", line 0\n");
}

/// root -> (list of 3, large); the list's last -> root; the pool's block inside of the large one -> unreached.
fn structure(program: &mut Program) {
    program.malloc(0, 24, 0);
    for node in [100, 104, 108] {
        program.malloc(node, 16, 1);
    }
    program.malloc(1000, 80_000, 1);
    program.track(POOL, 2000, 8);
    program.malloc(20_000, 8, 0);
    program.malloc(20_002, 8, 0);
    for (from, to) in [(0, 100), (1, 1500), (100, 104), (105, 108), (108, 0), (10_999, 20_000)] {
        program.point(from, to);
    }
}

#[test]
fn total_size_is_what_can_be_reached() {
    let mut program = Program::new();
    structure(&mut program);
    let held_before = (tm_query_api.memory_bytes)();
    let sums = |found: &TotalSizeResult| {
        // SAFETY: as many as it says.
        let by_depth = unsafe { std::slice::from_raw_parts(found.by_depth, found.n_depths) };
        // SAFETY: as above.
        let by_line = unsafe { std::slice::from_raw_parts(found.by_line, found.n_lines) };
        let by_line: Vec<_> = by_line
            .iter()
            // SAFETY: it is a text.
            .map(|group| {
                (unsafe { CStr::from_ptr(group.location) }.to_str().unwrap(), group.size, group.count)
            })
            .map(|(location, size, count)| (location.to_owned(), size, count))
            .collect();
        let by_depth: Vec<_> = by_depth.iter().map(|group| (group.depth, group.size, group.count)).collect();
        ((found.size, found.count, found.is_cut), by_depth, by_line)
    };
    let (all, by_depth, by_line) = program.total_size(0, None, sums).unwrap();
    assert_eq!(all, (24 + 3 * 16 + 80_000 + 8, 6, 0));
    assert_eq!(by_depth, [(0, 24, 1), (1, 80_016, 2), (2, 24, 2), (3, 16, 1)]);
    let expected = [("program+0x2000", 80_048, 4), ("program+0x1000", 32, 2)];
    assert_eq!(by_line, expected.map(|(location, size, count)| (location.to_owned(), size, count)));
    let limited = TotalSizeOptions { depth_max: 1, ..NO_OPTIONS };
    assert_eq!(program.total_size(0, Some(&limited), |found| (found.count, found.is_cut)), Ok((3, 1)));
    let limited = TotalSizeOptions { depth_max: 3, blocks_max: 6, ..NO_OPTIONS };
    assert_eq!(program.total_size(0, Some(&limited), |found| (found.count, found.is_cut)), Ok((6, 0)));
    // The pool's part of the large block, and nothing.
    assert_eq!(program.total_size(2000, None, |found| found.size), Ok(8));
    assert_eq!(program.total_size(30_000, None, |found| found.size), Err(result::NOT_FOUND));
    assert!((tm_query_api.memory_bytes)() > held_before);
}

/// What the handler below has seen.
#[derive(Default)]
struct Seen {
    asked: Vec<(usize, u32)>,
    visited: Vec<(usize, u32)>,
    pool: usize,
}

unsafe extern "C" fn handler(context: *mut c_void, block: *const api::Block, walk: *mut Walk) -> c_int {
    // SAFETY: the test's own, and what the library promises.
    let (seen, block) = unsafe { (&mut *context.cast::<Seen>(), &*block) };
    assert!(MUTED.load(Relaxed) < 0);
    seen.asked.push((block.size, block.depth));
    // SAFETY: it is a text.
    assert!(unsafe { CStr::from_ptr(block.location) }.to_str().unwrap().starts_with("program+0x"));
    if block.size != 80_000 {
        return if block.depth == 2 { api::follow::SKIP } else { api::follow::FOLLOW };
    }
    // SAFETY: the walk is the handler's.
    unsafe {
        assert_eq!((tm_query_api.follow)(walk, ptr::without_provenance(seen.pool)), result::OK);
        assert_eq!((tm_query_api.follow)(walk, ptr::without_provenance(1)), result::NOT_FOUND);
    }
    api::follow::STOP
}

unsafe extern "C" fn visit(context: *mut c_void, block: *const api::Block) {
    // SAFETY: the test's own, and what the library promises.
    let (seen, block) = unsafe { (&mut *context.cast::<Seen>(), &*block) };
    seen.visited.push((block.size, block.depth));
}

#[test]
fn handlers_decide_and_are_unmuted_meanwhile() {
    let mut program = Program::new();
    structure(&mut program);
    let mut seen = Seen { pool: program.address(2000) as usize, ..Seen::default() };
    let options = TotalSizeOptions {
        handler: Some(handler),
        visit: Some(visit),
        context: ptr::from_mut(&mut seen).cast(),
        ..NO_OPTIONS
    };
    let size = program.total_size(0, Some(&options), |found| found.size);
    // The pool's block is named, and skipped as all of depth 2.
    assert_eq!(size, Ok(24 + 16 + 80_000));
    assert_eq!(seen.asked, [(24, 0), (16, 1), (80_000, 1), (8, 2), (16, 2)]);
    assert_eq!(seen.visited, [(24, 0), (16, 1), (80_000, 1)]);
    assert_eq!(MUTED.load(Relaxed), 0);
}

#[test]
fn a_dump_is_a_snapshot_of_now() {
    let mut program = Program::new();
    structure(&mut program);
    program.free(100);
    let folder = tempfile::tempdir().unwrap();
    let (path, missing) = (folder.path().join("now.snap"), folder.path().join("no/such.snap"));
    for (path, expected) in [(&path, result::OK), (&path, result::OK), (&missing, result::FAILED)] {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the host and the path live through the call.
        assert_eq!(
            program.ask(|host| unsafe { (tm_query_api.dump_snapshot)(host, path.as_ptr()) }),
            expected
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let snapshot = Snapshot::load(&path).unwrap();
    let traced = program.traced().0;
    assert_eq!((snapshot.total_size(), snapshot.traces.len()), (traced, 7));
    assert_eq!(snapshot.traces.iter().filter(|trace| trace.domain == POOL_DOMAIN).count(), 1);
    let origin = snapshot.origin.as_ref().unwrap();
    assert_eq!((origin.live_bytes, origin.live_blocks, origin.moment_ns), (traced, 7, program.stamp + 1));
    let lines = snapshot.statistics(KeyType::Lineno, Cumulative::Off).unwrap();
    assert_eq!(lines[0].traceback.to_string(), "program+0x2000:0");
}

#[test]
fn what_is_not_this_process_s_recording_is_refused() {
    let mut program = Program::new();
    program.malloc(0, 1, 0);
    let wrong = |change: fn(&mut QueryHost)| {
        move |host: *const QueryHost| {
            // SAFETY: it is the test's.
            let mut host = unsafe { ptr::read(host) };
            change(&mut host);
            let (mut current, mut peak) = (0, 0);
            // SAFETY: the host and the places live through the call.
            unsafe { (tm_query_api.get_traced_memory)(&host, &mut current, &mut peak) }
        }
    };
    assert_eq!(program.ask(wrong(|host| host.inode += 1)), result::FAILED);
    assert_eq!(program.ask(wrong(|host| host.process = 9)), result::FAILED);
    assert_eq!(program.ask(wrong(|host| host.size -= 8)), result::FAILED);
    assert_eq!(program.ask(wrong(|_| ())), result::OK);
}
