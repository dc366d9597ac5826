//! Where the recording goes: the template, what may be replaced, and the new file with its header.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tm_common::header::{GRAIN_BYTES, Header, MAGIC, MappedHeader, VERSION};

use super::extent::{FIRST_GRAINS, map_file};
use super::{FileIdentity, PATH_BYTES, Recording};
use crate::config::Config;
use crate::sys::syscall::{self, Errno};
use crate::sys::text::Text;
use crate::sys::{arch, process};

/// An absolute path.
pub type Path = Text<PATH_BYTES>;

/// Why there is no recording.
#[derive(Debug)]
pub enum CreateRefused {
    /// The file is something else than a recording, and was left alone.
    NotOurs,
    /// The system refused.
    System(Errno),
}

/// What the template's placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// `%e`: the program's file name.
    pub program: &'a [u8],
    /// `%p`.
    pub pid: u32,
    /// `%h`.
    pub host: &'a [u8],
    /// `%t`: seconds since 1970.
    pub start_s: u64,
}

/// The absolute path that `template` means.
pub fn expand(template: &CStr, working_directory: &[u8], names: Names<'_>) -> Path {
    let mut path = Path::EMPTY;
    let template = template.to_bytes();
    if template.first() != Some(&b'/') {
        path.push(working_directory).push(b"/");
    }
    let mut bytes = template.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            path.push(&[byte]);
            continue;
        }
        match bytes.next() {
            Some(b'p') => path.push_number(u64::from(names.pid)),
            Some(b'e') => path.push(names.program),
            Some(b'h') => path.push(names.host),
            Some(b't') => path.push_number(names.start_s),
            Some(b'%') | None => path.push(b"%"),
            Some(&other) => path.push(&[b'%', other]),
        };
    }
    path
}

impl Recording {
    /// Creates the file that `path` names and makes it the recording of this process.
    ///
    /// A recording of an earlier run is replaced; one of this run is not: the name gets the pid appended.
    pub fn create(&self, path: &mut Path, config: &Config) -> Result<(), CreateRefused> {
        if path.is_cut() {
            return Err(CreateRefused::System(Errno(libc::ENAMETOOLONG)));
        }
        let fd = create_file(path, config)?;
        let result = self.begin(fd, path, config);
        syscall::close(fd);
        result.map_err(|error| {
            syscall::unlink(path.as_c_str()).ok();
            CreateRefused::System(error)
        })
    }

    /// Maps the fresh file, writes its header and publishes it.
    fn begin(&self, fd: i32, path: &Path, config: &Config) -> Result<(), Errno> {
        let (device, inode, _) = syscall::identity(fd)?;
        let start = map_file(fd, 0, (1 + FIRST_GRAINS as usize) * GRAIN_BYTES)?;
        // SAFETY: nobody reads `file` before the header is published below.
        unsafe { *self.file.get() = FileIdentity { path: path.clone(), device, inode } };
        let header = start.cast::<MappedHeader>();
        // SAFETY: the first grain of a fresh mapping.
        unsafe { header.write(self.new_header(config)) };
        // SAFETY: the mapping has FIRST_GRAINS more.
        self.adopt_first_extent(unsafe { start.add(GRAIN_BYTES) }.cast());
        // Release: to a reader of the file, publishes the header's content.
        // SAFETY: as above.
        unsafe { (*header).magic.store(u64::from_le_bytes(MAGIC), Ordering::Release) };
        // Release: to this process's threads, publishes the header and `file`.
        self.header.store(header, Ordering::Release);
        Ok(())
    }

    fn new_header(&self, config: &Config) -> MappedHeader {
        let (clock_kind, clock_shift) = self.choose_clock();
        let pid = syscall::getpid();
        let first_monotonic_ns = syscall::clock_ns(libc::CLOCK_MONOTONIC);
        MappedHeader {
            magic: AtomicU64::new(0),
            version: VERSION,
            machine: arch::MACHINE,
            clock_kind: clock_kind as u8,
            clock_shift,
            page_bytes: process::InitialStack::current().auxiliary(libc::AT_PAGESZ).unwrap_or(4096) as u32,
            pid,
            process_start: process::start_ticks(pid),
            run: config.run,
            n_frames_max: config.n_frames_max,
            unwind: u32::from(config.frame_pointers_only),
            start_realtime_ns: syscall::clock_ns(libc::CLOCK_REALTIME),
            first_counter: self.counter(),
            first_monotonic_ns,
            calibration_version: AtomicU64::new(0),
            latest_counter: AtomicU64::new(0),
            latest_monotonic_ns: AtomicU64::new(0),
            end_grain: AtomicU64::new(1 + u64::from(FIRST_GRAINS)),
            n_stack_segments: AtomicU32::new(0),
            n_processes: AtomicU32::new(1),
            n_threads: AtomicU32::new(0),
            n_rings: AtomicU32::new(0),
            n_epochs: AtomicU32::new(1),
            self_check_interval: config.self_check_interval,
            self_checks: AtomicU64::new(0),
            self_check_differences: AtomicU64::new(0),
            lost: [const { AtomicU64::new(0) }; 8],
        }
    }
}

/// How many names are tried: each program that a process becomes by `exec` appends its pid once more.
const NAMES_TRIED: usize = 16;

/// Opens a new file, readable by its owner only. Never follows a link and never writes into an existing file.
fn create_file(path: &mut Path, config: &Config) -> Result<i32, CreateRefused> {
    const NEW: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    for _ in 0..NAMES_TRIED {
        match syscall::open(path.as_c_str(), NEW, 0o600) {
            Ok(fd) => return Ok(fd),
            Err(Errno(libc::EEXIST)) => {}
            Err(error) => return Err(CreateRefused::System(error)),
        }
        match judge(path, config) {
            Standing::Replaceable => {
                if let Err(error) = syscall::unlink(path.as_c_str()) {
                    return Err(CreateRefused::System(error));
                }
            }
            Standing::OfThisRun => {
                path.push(b".").push_number(u64::from(syscall::getpid()));
            }
            Standing::NotOurs => return Err(CreateRefused::NotOurs),
            Standing::Unreadable(error) => return Err(CreateRefused::System(error)),
        }
    }
    Err(CreateRefused::System(Errno(libc::EEXIST)))
}

/// What an existing file of our name is.
enum Standing {
    /// Empty, or the recording of a program that has ended.
    Replaceable,
    /// The recording of a program of the same run: one that still runs, that this process was before `exec`, or that
    /// `tmtool run` started too.
    OfThisRun,
    /// No recording.
    NotOurs,
    Unreadable(Errno),
}

fn judge(path: &Path, config: &Config) -> Standing {
    let fd = match syscall::open(path.as_c_str(), libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0) {
        Ok(fd) => fd,
        Err(error) => return Standing::Unreadable(error),
    };
    let mut start = [0; size_of::<MappedHeader>()];
    let regular = syscall::is_regular(fd);
    let len = if regular { syscall::read(fd, &mut start).unwrap_or(0) } else { 0 };
    syscall::close(fd);
    match start.get(..len).map(Header::parse) {
        _ if !regular => Standing::NotOurs,
        _ if len == 0 => Standing::Replaceable,
        Some(Ok(header)) if is_of_this_run(&header, config) => Standing::OfThisRun,
        Some(Ok(_)) => Standing::Replaceable,
        // A later version's recording is still a recording, and a file whose magic was not written yet is being begun.
        _ if start.starts_with(&MAGIC) => Standing::Replaceable,
        _ if start.starts_with(&[0; 8]) && len == start.len() => Standing::OfThisRun,
        _ => Standing::NotOurs,
    }
}

fn is_of_this_run(header: &Header, config: &Config) -> bool {
    let same_run = config.run != 0 && header.run == config.run;
    let alive =
        syscall::process_exists(header.pid) && process::start_ticks(header.pid) == header.process_start;
    same_run || alive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_expanded() {
        let names = Names { program: b"prog", pid: 42, host: b"box", start_s: 1_700_000_000 };
        let expand = |template| expand(template, b"/home/u", names).as_bytes().to_vec();
        assert_eq!(expand(c"tm.%e.%p.bin"), b"/home/u/tm.prog.42.bin");
        assert_eq!(expand(c"/var/%h/%t-100%%"), b"/var/box/1700000000-100%");
        assert_eq!(expand(c"a%xb%"), b"/home/u/a%xb%");
    }
}
