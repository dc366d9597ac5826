//! Where the recording goes: the template, what may be replaced, and the new file with its header.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tm_common::free_list::Top;
use tm_common::header::{
    GRAIN_BYTES, Header, Loss, MAGIC, MappedHeader, MappedRequest, REQUESTS_MAX, SHARED_ROOMS,
    VERSION_UNSAMPLED, WRITERS_MAX, abilities,
};
use tm_common::ids::Space;

use super::extent::FIRST_GRAINS;
use super::file::{self, FileIdentity};
use super::{PATH_BYTES, Recording, free_extents};
use crate::config::Config;
use crate::lockfree::writers;
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

/// Returns the absolute path that `template` means.
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
    /// A recording of an earlier run is replaced; one of this run is not: the name gets the pid or a number appended. The
    /// file gets its name when it is a recording, so that processes which start at once never take each other's for an
    /// old one.
    pub fn create(&self, path: &mut Path, config: &Config) -> Result<(), CreateRefused> {
        let fresh = beside(path, b".new");
        if fresh.is_cut() {
            return Err(CreateRefused::System(Errno(libc::ENAMETOOLONG)));
        }
        let fd = open_new(&fresh, config)?;
        let begun = self.begin(fd, config);
        syscall::close(fd);
        let named = begun.map_err(CreateRefused::System).and_then(|begun| {
            give_name(&fresh, path, config).inspect_err(|_| self.abandon(begun.0))?;
            Ok(begun)
        });
        match named {
            Ok((header, identity, ahead_grains)) => {
                self.publish(
                    header,
                    FileIdentity {
                        path: path.clone(),
                        identity,
                        ahead_grains,
                        grains_max: grains_max(config),
                        extent_grains: free_extents::size_within(config.limit_bytes),
                    },
                );
                Ok(())
            }
            Err(refused) => {
                syscall::unlink(fresh.as_c_str()).ok();
                Err(refused)
            }
        }
    }

    /// Maps the fresh file, and writes its header and its first extent. The header, which file it is, and how far its
    /// length goes ahead.
    fn begin(&self, fd: i32, config: &Config) -> Result<(*mut MappedHeader, (u64, u64), u64), Errno> {
        let identity = syscall::status(fd)?.identity;
        let fresh = file::map_fresh(fd, FIRST_ROOM_GRAINS, grains_max(config))?;
        let header = fresh.start.cast::<MappedHeader>();
        // SAFETY: the first grain of a fresh mapping.
        unsafe { header.write(self.new_header(config, fresh.file_grains)) };
        // SAFETY: as above.
        let writers = unsafe { &(*header).writers };
        writers::enter(writers, syscall::getpid(), syscall::process_exists);
        // SAFETY: the mapping, of which the beginning is allocated, has FIRST_GRAINS more.
        unsafe { self.adopt_first_extent(fresh.start.add(GRAIN_BYTES).cast()) };
        // Release: to a reader of the file, publishes the header's content.
        // SAFETY: as above.
        unsafe { (*header).magic.store(u64::from_le_bytes(MAGIC), Ordering::Release) };
        Ok((header, identity, fresh.ahead_grains))
    }

    /// Lets go of a file that got no name.
    fn abandon(&self, header: *mut MappedHeader) {
        // Relaxed: nobody has seen it.
        self.extent.store(core::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { syscall::munmap(header.cast(), FIRST_ROOM_GRAINS as usize * GRAIN_BYTES) };
    }

    fn publish(&self, header: *mut MappedHeader, file: FileIdentity) {
        // SAFETY: nobody reads `file` before the header is published.
        unsafe { *self.file.get() = file };
        // Release: to this process's threads, publishes the header and `file`.
        self.header.store(header, Ordering::Release);
        let n_lost = self.n_lost_early.swap(0, Ordering::Relaxed);
        // SAFETY: the first grain of the mapping. Relaxed: a counter.
        unsafe { &*header }.lost[Loss::NotReady as usize].fetch_add(n_lost, Ordering::Relaxed);
    }

    fn new_header(&self, config: &Config, file_grains: u64) -> MappedHeader {
        let (clock_kind, clock_shift) = self.choose_clock();
        let first_monotonic_ns = syscall::clock_ns(libc::CLOCK_MONOTONIC);
        MappedHeader {
            magic: AtomicU64::new(0),
            version: AtomicU32::new(VERSION_UNSAMPLED),
            machine: arch::MACHINE,
            clock_kind: clock_kind as u8,
            clock_shift,
            page_bytes: process::page_bytes() as u32,
            pid: syscall::getpid(),
            process_start: process::own_start_ticks(),
            run: config.run,
            n_frames_max: config.n_frames_max,
            unwind: u32::from(config.frame_pointers_only),
            start_realtime_ns: syscall::clock_ns(libc::CLOCK_REALTIME),
            first_counter: self.counter(),
            first_monotonic_ns,
            calibration_version: AtomicU64::new(0),
            latest_counter: AtomicU64::new(0),
            latest_monotonic_ns: AtomicU64::new(0),
            end_grain: AtomicU64::new(FIRST_ROOM_GRAINS),
            n_stack_segments: AtomicU32::new(0),
            n_processes: AtomicU32::new(1),
            n_threads: AtomicU32::new(0),
            n_streams: AtomicU32::new(0),
            n_epochs: AtomicU32::new(1),
            self_check_interval: config.self_check_interval,
            self_checks: AtomicU64::new(0),
            self_check_differences: AtomicU64::new(0),
            lost: [const { AtomicU64::new(0) }; 8],
            file_grains: AtomicU64::new(file_grains),
            writers: [const { AtomicU32::new(0) }; WRITERS_MAX],
            // Number 0 is no tag.
            n_tags: AtomicU32::new(1),
            n_spaces: AtomicU32::new(Space::FIRST_OWN.0.into()),
            requests: [const { MappedRequest::free() }; REQUESTS_MAX],
            n_codes: AtomicU32::new(1),
            abilities: abilities::SAMPLES | abilities::LEAVES_FULL,
            checkpoint: AtomicU64::new(0),
            free_extents: AtomicU64::new(Top::default().word()),
            limit_grains: config.limit_bytes / GRAIN_BYTES as u64,
            extent_grains: free_extents::size_within(config.limit_bytes),
            keeper: AtomicU32::new(0),
            shared: [const { AtomicU64::new(0) }; SHARED_ROOMS],
            said_limit: AtomicU64::new(0),
        }
    }
}

/// Returns the most grains of the file.
fn grains_max(config: &Config) -> u64 {
    if config.limit_bytes == 0 { u64::MAX } else { config.limit_bytes / GRAIN_BYTES as u64 }
}

/// The header and the first extent.
const FIRST_ROOM_GRAINS: u64 = 1 + FIRST_GRAINS as u64;

/// Creates the file that gets its name later. What a process left that had our pid and was killed here is replaced.
fn open_new(path: &Path, config: &Config) -> Result<i32, CreateRefused> {
    const NEW: i32 = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let open = || syscall::open(path.as_c_str(), NEW, 0o600);
    match open() {
        Err(Errno(libc::EEXIST)) => {}
        other => return other.map_err(CreateRefused::System),
    }
    match judge(path, config) {
        Standing::Replaceable { .. } | Standing::OfThisRun | Standing::Blank | Standing::Gone => {
            syscall::unlink(path.as_c_str()).ok();
            open().map_err(CreateRefused::System)
        }
        Standing::NotOurs => Err(CreateRefused::System(Errno(libc::EEXIST))),
        Standing::Unreadable(error) => Err(CreateRefused::System(error)),
    }
}

/// The number of names that are tried: each program of one name that a process becomes by `exec` takes another one.
const NAMES_TRIED: u64 = 1000;

/// Returns the `n`-th name for the file: that of the template; then with the pid, unless the template has it in it; then with
/// `.2`, `.3` and so on.
fn nth_name(first: &Path, n: u64, has_pid: bool) -> Path {
    let mut name = first.clone();
    let mut number = n;
    if n > 0 && !has_pid {
        name.push(b".").push_number(u64::from(syscall::getpid()));
        number -= 1;
    }
    if number > 0 {
        name.push(b".").push_number(number + 1);
    }
    name
}

/// Tells whether names by `template` differ from process to process.
fn has_pid(template: &CStr) -> bool {
    let mut bytes = template.to_bytes().iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'%' && bytes.next() == Some(&b'p') {
            return true;
        }
    }
    false
}

/// Returns a name in the same folder that no other process uses.
fn beside(path: &Path, suffix: &[u8]) -> Path {
    let mut name = path.clone();
    name.push(b".").push_number(u64::from(syscall::getpid())).push(suffix);
    name
}

/// Gives `fresh` the name `path`, or one like it. Never takes a name from a file that is not an old recording.
fn give_name(fresh: &Path, path: &mut Path, config: &Config) -> Result<(), CreateRefused> {
    let (first, has_pid) = (path.clone(), has_pid(config.out));
    let mut n = 0;
    while n < NAMES_TRIED {
        *path = nth_name(&first, n, has_pid);
        if path.is_cut() {
            return Err(CreateRefused::System(Errno(libc::ENAMETOOLONG)));
        }
        match rename_to_new(fresh, path) {
            Err(Errno(libc::EEXIST)) => {}
            other => return other.map_err(CreateRefused::System),
        }
        match judge(path, config) {
            Standing::Gone => {}
            Standing::Replaceable { identity } => remove_if(path, identity).map_err(CreateRefused::System)?,
            Standing::OfThisRun => n += 1,
            // Of a name that the user did not give, the next one is as good.
            Standing::NotOurs | Standing::Blank if n > 0 => n += 1,
            Standing::NotOurs | Standing::Blank => return Err(CreateRefused::NotOurs),
            Standing::Unreadable(error) => return Err(CreateRefused::System(error)),
        }
    }
    Err(CreateRefused::System(Errno(libc::EEXIST)))
}

/// Renames unless the new name exists; by way of a second name where the file system cannot do that in one step.
fn rename_to_new(from: &Path, to: &Path) -> Result<(), Errno> {
    match syscall::rename_new(from.as_c_str(), to.as_c_str()) {
        Err(Errno(libc::EINVAL | libc::ENOSYS)) => {
            syscall::link(from.as_c_str(), to.as_c_str())?;
            syscall::unlink(from.as_c_str()).ok();
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Removes the file at `path` if it still is the one that was judged: another process may have put its own there.
fn remove_if(path: &Path, identity: (u64, u64)) -> Result<(), Errno> {
    let aside = beside(path, b".old");
    match rename_to_new(path, &aside) {
        Err(Errno(libc::ENOENT)) => return Ok(()),
        other => other?,
    }
    let fd = syscall::open(aside.as_c_str(), libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0)?;
    let found = syscall::status(fd);
    syscall::close(fd);
    if found?.identity == identity {
        return syscall::unlink(aside.as_c_str()).map(drop);
    }
    // If the name is taken again, the other process's recording keeps this one.
    rename_to_new(&aside, path).ok();
    Ok(())
}

/// What an existing file of our name is.
enum Standing {
    /// It was removed meanwhile.
    Gone,
    /// Empty, or the recording of a program that has ended.
    Replaceable {
        /// The file that was there: device and inode number.
        identity: (u64, u64),
    },
    /// The recording of a program of the same run: one that still runs, that this process was before `exec`, or that
    /// `tmtool run` started too.
    OfThisRun,
    /// Zeros: under a name that only we give, of a process that was killed before it had written the header.
    Blank,
    /// The file there is no recording.
    NotOurs,
    Unreadable(Errno),
}

fn judge(path: &Path, config: &Config) -> Standing {
    let fd = match syscall::open(path.as_c_str(), libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0) {
        Ok(fd) => fd,
        Err(Errno(libc::ENOENT)) => return Standing::Gone,
        Err(error) => return Standing::Unreadable(error),
    };
    let mut start = [0; size_of::<MappedHeader>()];
    let status = syscall::status(fd);
    let len = match status {
        Ok(status) if status.is_regular => syscall::read(fd, &mut start).unwrap_or(0),
        _ => 0,
    };
    syscall::close(fd);
    let identity = match status {
        Ok(status) if status.is_regular => status.identity,
        Ok(_) => return Standing::NotOurs,
        Err(error) => return Standing::Unreadable(error),
    };
    match start.get(..len).map(Header::parse) {
        Some(Ok(header)) if is_of_this_run(&header, config) => Standing::OfThisRun,
        // A later version's recording is still a recording.
        _ if len == 0 || start.starts_with(&MAGIC) => Standing::Replaceable { identity },
        _ if start.iter().all(|&byte| byte == 0) => Standing::Blank,
        _ => Standing::NotOurs,
    }
}

fn is_of_this_run(header: &Header, config: &Config) -> bool {
    let same_run = config.run != 0 && header.run == config.run;
    // Without /proc either is 0, and any process of that number may be the one.
    let may_be = |start| start == 0 || header.process_start == 0 || start == header.process_start;
    let alive = syscall::process_exists(header.pid) && may_be(process::start_ticks(header.pid));
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

    #[test]
    fn no_name_has_the_pid_twice() {
        let names = |template: &CStr| {
            let mut first = Path::EMPTY;
            first.push(b"x");
            let name = |n| {
                let name = nth_name(&first, n, has_pid(template));
                std::string::String::from_utf8_lossy(name.as_bytes()).into_owned()
            };
            [0, 1, 2, 3].map(name)
        };
        let pid = syscall::getpid();
        assert_eq!(names(c"%e.%p"), ["x", "x.2", "x.3", "x.4"].map(std::string::String::from));
        let expected =
            ["x".into(), std::format!("x.{pid}"), std::format!("x.{pid}.2"), std::format!("x.{pid}.3")];
        assert_eq!(names(c"%%p"), expected);
    }
}
