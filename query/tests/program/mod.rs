//! A program for the library to answer: a recording that the tests lay out themselves, of blocks that are in their own
//! memory, and a host that stands at a moment of it.

use std::cell::Cell;
use std::ffi::{CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;

use tempfile::NamedTempFile;
use tm_common::api::{TotalSizeOptions, TotalSizeResult, Traceback, result};
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, Space, StackId, Stamp};
use tm_common::metadata::{CommandKind, NameKind};
use tm_common::query::QueryHost;
use tm_query::tm_query_api;

pub use tm_testing as recordings;

use recordings::{RecordingBuilder, file_of};

pub const POOL: Space = Space(2);
pub const POOL_DOMAIN: u32 = 77;

/// A program whose memory are the words of an arena.
pub struct Program {
    pub arena: Vec<u64>,
    pub builder: RecordingBuilder,
    stacks: [StackId; 2],
    pub stamp: u64,
    file: NamedTempFile,
    path: CString,
}

std::thread_local! {
    /// The moment of the test, which has a thread of its own.
    static NOW: Cell<u64> = const { Cell::new(0) };
    /// How often it was muted more than unmuted.
    pub static MUTED: Cell<i64> = const { Cell::new(0) };
}

extern "C" fn now() -> u64 {
    NOW.get()
}

extern "C" fn unmute() {
    MUTED.set(MUTED.get() - 1);
}

extern "C" fn mute() {
    MUTED.set(MUTED.get() + 1);
}

impl Program {
    pub fn new() -> Program {
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

    /// The recording.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    pub fn address(&self, word: usize) -> u64 {
        self.arena[word..].as_ptr().addr() as u64
    }

    pub fn event(&mut self, make: impl FnOnce(Stamp) -> Event) {
        self.stamp += 1000;
        let event = make(Stamp(self.stamp));
        self.builder.event(ProcessIndex(0), 0, &event);
    }

    pub fn malloc(&mut self, word: usize, size: u64, stack: usize) {
        let (address, stack, function) = (Address(self.address(word)), self.stacks[stack], Function::Malloc);
        self.event(|stamp| Event::Allocate { stamp, address, size, stack, function });
    }

    pub fn free(&mut self, word: usize) {
        let address = Address(self.address(word));
        self.event(|stamp| Event::Free { stamp, address, function: Function::Free });
    }

    pub fn track(&mut self, space: Space, word: usize, size: u64) {
        let (address, stack) = (Address(self.address(word)), self.stacks[1]);
        self.event(|stamp| Event::Track { stamp, space, address, size, stack });
    }

    pub fn command(&mut self, kind: CommandKind, argument: u32) {
        self.stamp += 1000;
        self.builder.command(0, kind, argument, self.stamp, "");
    }

    /// Stores a pointer to the middle of what is at `to`.
    pub fn point(&mut self, from: usize, to: usize) {
        self.arena[from] = self.address(to) + 3;
    }

    /// Writes the recording, and asks at this moment.
    pub fn ask<T>(&mut self, ask: impl FnOnce(*const QueryHost) -> T) -> T {
        // In place: the file stays the same one.
        std::fs::write(self.file.path(), self.builder.build()).unwrap();
        NOW.set(self.stamp + 1);
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

    pub fn traced(&mut self) -> (u64, u64) {
        let (mut current, mut peak) = (u64::MAX, u64::MAX);
        // SAFETY: the host and the places live through the call.
        let code =
            self.ask(|host| unsafe { (tm_query_api.get_traced_memory)(host, &mut current, &mut peak) });
        assert_eq!(code, result::OK);
        (current, peak)
    }

    pub fn of_domain(&mut self, domain: u32) -> (u64, u64) {
        let (mut current, mut peak) = (u64::MAX, u64::MAX);
        // SAFETY: the host and the places live through the call.
        let code = self
            .ask(|host| unsafe { (tm_query_api.get_domain_memory)(host, domain, &mut current, &mut peak) });
        assert_eq!(code, result::OK);
        (current, peak)
    }

    /// The start, size and domain of the block that holds an address, and its frames' addresses; or why there is none.
    pub fn traceback(&mut self, address: u64) -> Result<(u64, usize, u32, Vec<usize>), c_int> {
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

    pub fn total_size<T>(
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

pub const NO_OPTIONS: TotalSizeOptions = TotalSizeOptions {
    depth_max: 0,
    blocks_max: 0,
    handler: None,
    visit: None,
    context: ptr::null_mut(),
    verbose: 0,
};
