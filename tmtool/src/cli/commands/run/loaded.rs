//! Opens the files that the processes of a run load, while they are loaded: their names can be bundled then when the files are deleted or
//! replaced before the end. Nothing is asked of the processes, and nothing of theirs is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{recordings, template};
use tm_analyzer::host::code_of_process;
use tm_analyzer::symbolize::HeldFile;
use tm_common::header::{MappedHeader, WRITERS_MAX};

/// How long it is between two looks at least; a file that is deleted sooner is read where it is mapped, which mostly root alone may.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// Looks take one part in this many of the time.
const LOOKS_SHARE: u32 = 20;
/// As many files are kept open: a process may have 1024 descriptors, usually.
const FILES_MAX: usize = 600;

/// The thread that looks.
#[derive(Debug)]
pub(super) struct Loading {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Loaded>,
}

/// The files, open for as long as this lives.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    files: Vec<(PathBuf, File)>,
    seen: BTreeSet<((u32, u32), u64)>,
}

impl Loading {
    /// Opens what the processes of run `run` load, whose recordings are files of `template`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(template: PathBuf, run: u64) -> io::Result<Loading> {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::Builder::new().name("loaded".to_owned()).spawn(move || {
            let (mut loaded, mut known) = (Loaded::default(), BTreeMap::new());
            // Relaxed: decides when to end, nothing else.
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                list(&template, run, &mut known);
                known.values_mut().flat_map(Writers::alive).for_each(|pid| loaded.look(pid));
                thread::park_timeout(BETWEEN_LOOKS.max(began.elapsed() * LOOKS_SHARE));
            }
            loaded
        })?;
        Ok(Loading { is_over, thread })
    }

    /// What was opened.
    pub(super) fn stop(self) -> Loaded {
        // Relaxed: as above.
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_default()
    }
}

impl Loaded {
    /// The files, as they are looked for.
    pub(super) fn held(&self) -> Vec<HeldFile> {
        let held = |(path, file): &(PathBuf, File)| HeldFile {
            path: path.clone(),
            at: PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
        };
        self.files.iter().map(held).collect()
    }

    /// Opens what process `pid` has loaded. What cannot be opened was deleted: it is tried again as long as it is mapped.
    fn look(&mut self, pid: u32) {
        for mapped in code_of_process(pid).unwrap_or_default() {
            if self.files.len() >= FILES_MAX || self.seen.contains(&mapped.identity()) {
                continue;
            }
            if let Ok(file) = mapped.open(pid) {
                self.seen.insert(mapped.identity());
                self.files.extend(file.map(|file| (mapped.recorded_path().to_owned(), file)));
            }
        }
    }
}

/// A recording's file, for the processes that write it.
struct Writers {
    /// Nothing once they have ended.
    file: Option<File>,
    /// How many looks in a row found none.
    n_without: u32,
}

/// After as many looks without one they have ended: one that begins has entered itself long before.
const WITHOUT_MAX: u32 = 3;

impl Writers {
    /// The processes that live.
    fn alive(&mut self) -> Vec<u32> {
        let mut pids = [0; WRITERS_MAX * 4];
        let Some(file) = &self.file else { return Vec::new() };
        if file.read_exact_at(&mut pids, offset_of!(MappedHeader, writers) as u64).is_err() {
            return Vec::new();
        }
        let pids = pids.chunks_exact(4).filter_map(|pid| Some(u32::from_le_bytes(pid.try_into().ok()?)));
        let exists = |pid: &u32| *pid != 0 && Path::new(&format!("/proc/{pid}")).exists();
        let alive: Vec<u32> = pids.filter(exists).collect();
        self.n_without = if alive.is_empty() { self.n_without + 1 } else { 0 };
        if self.n_without >= WITHOUT_MAX {
            self.file = None;
        }
        alive
    }
}

/// Adds the recordings that are new.
fn list(template: &Path, run: u64, known: &mut BTreeMap<PathBuf, Writers>) {
    for path in template::candidates(template) {
        if !known.contains_key(&path) && recordings::header(&path).is_some_and(|header| header.run == run) {
            let file = File::open(&path).ok();
            known.insert(path, Writers { file, n_without: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_a_process_has_loaded_is_read_after_it_was_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("sleeps");
        // By another process: a child that another test forks meanwhile would have it open to be written, and it could not be run.
        assert!(Command::new("cp").arg("/bin/sleep").arg(&program).status().unwrap().success());
        let mut child = Command::new(&program).arg("1000").spawn().unwrap();
        let mut loaded = Loaded::default();
        let has = |loaded: &Loaded, name: &str| {
            loaded.files.iter().any(|(path, _)| path.to_string_lossy().contains(name))
        };
        // Until it has executed it, and that is loaded.
        while !has(&loaded, program.to_str().unwrap()) || !has(&loaded, "libc.so") {
            loaded.look(child.id());
        }
        std::fs::remove_file(&program).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let held = loaded.held();
        let found = held.iter().find(|held| held.path == program).unwrap();
        assert!(std::fs::read(&found.at).unwrap() == std::fs::read("/bin/sleep").unwrap());
    }
}
