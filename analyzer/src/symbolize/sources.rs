//! The files that speak for a module: the binary itself, and a separate file with its debug information.
//!
//! Finds and checks files, and notes each place where it looks; reads nothing in them but what `elf_file` says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::attempt::{Attempt, Holds, Outcome, Source};
use super::crc;
use super::debuginfod::{Failure, Wanted};
use super::elf_file::ElfFile;
use super::generated_code::GeneratedCode;
use super::jitdump;
use super::mini_debug_info::MiniDebugInfo;
use super::perf_map;
use super::search::{HeldFile, Search};
use super::{Generator, ModuleImage};
use crate::text::{hex, raw_text};

/// The files to read, each checked to belong to the recorded module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// The binary that ran; for its symbols, and its DWARF if it has any.
    pub binary: Option<PathBuf>,
    /// The file with DWARF, perhaps the binary.
    pub debug: Option<PathBuf>,
    /// What `debug` shares with the debug files of other binaries (`.gnu_debugaltlink`, made by dwz).
    pub supplement: Option<PathBuf>,
    /// What is packed into the binary.
    pub mini_debug_info: MiniDebugInfo,
    /// The code that a process made at run time.
    pub generated: Option<GeneratedCode>,
    /// Whether it cannot be told that the binary is what ran: it has no build-id, and is younger than the recording.
    pub is_younger: bool,
    /// Where was looked, in that order.
    pub attempts: Vec<Attempt>,
}

/// A file that was found, and what it says of itself.
type Found = (PathBuf, ElfFile);

impl Sources {
    /// Finds the files of `image`.
    pub(super) fn find(image: &ModuleImage, search: &Search) -> Sources {
        if !image.path.contains('/') {
            return Sources::default();
        }
        let mut finder = Finder { image, search, attempts: Vec::new() };
        if let Some(generator) = &image.generated_by {
            let generated = finder.perf_map(generator).or_else(|| finder.dump(generator));
            return Sources { generated, attempts: finder.attempts, ..Sources::default() };
        }
        let binary = finder.binary();
        let own = binary.as_ref().filter(|(_, file)| file.holds.debug_information).cloned();
        let debug = own
            .or_else(|| binary.as_ref().and_then(|binary| finder.by_link(binary)))
            .or_else(|| finder.by_build_id(&image.build_id, Source::BuildId));
        let supplement = debug.as_ref().and_then(|debug| finder.supplement(debug));
        let file = binary.as_ref().map(|(_, file)| file);
        Sources {
            is_younger: image.build_id.is_empty()
                && file.is_some_and(|file| image.is_older_than(file.modified_ns)),
            mini_debug_info: file.map(|file| file.mini_debug_info.clone()).unwrap_or_default(),
            binary: binary.map(|(path, _)| path),
            debug: debug.map(|(path, _)| path),
            supplement,
            generated: None,
            attempts: finder.attempts,
        }
    }
}

impl Sources {
    /// Asks servers for what was not found, if the user wants that.
    pub(super) fn fetch(&mut self, image: &ModuleImage, search: &Search) {
        let is_file = image.path.contains('/') && image.generated_by.is_none();
        if search.debuginfod.is_none() || !is_file || image.build_id.is_empty() {
            return;
        }
        let mut finder = Finder { image, search, attempts: std::mem::take(&mut self.attempts) };
        let mut debug = None;
        if self.debug.is_none() {
            debug = finder.fetched_debug(&image.build_id, Source::Debuginfod);
        }
        if self.binary.is_none() && self.debug.is_none() && debug.is_none() {
            let executable = finder.fetched(Wanted::Executable, &image.build_id, Source::Debuginfod);
            if let Some((path, file)) = executable
                .and_then(|path| finder.try_file(path, Source::Debuginfod, |file| check(image, file)))
            {
                debug = Some((path.clone(), file.clone())).filter(|_| file.holds.debug_information);
                (self.binary, self.mini_debug_info) = (Some(path), file.mini_debug_info);
            }
        }
        if let Some((path, _)) = &debug {
            self.debug = Some(path.clone());
            self.supplement = debug.as_ref().and_then(|debug| finder.supplement(debug));
        }
        if let (None, Some(debug)) = (&self.supplement, &self.debug) {
            let wanted = ElfFile::read(debug).ok().and_then(|file| file.supplement);
            let found = wanted.and_then(|(_, build_id)| finder.fetched_debug(&build_id, Source::Supplement));
            self.supplement = found.map(|(path, _)| path);
        }
        self.attempts = finder.attempts;
    }
}

/// Looks for the files of a module.
struct Finder<'a> {
    image: &'a ModuleImage,
    search: &'a Search,
    attempts: Vec<Attempt>,
}

impl Finder<'_> {
    fn note(&mut self, source: Source, path: &Path, outcome: Outcome) {
        self.attempts.push(Attempt { source, path: path.to_owned(), outcome });
    }

    /// What a process lists of the code that it made.
    fn perf_map(&mut self, generator: &Generator) -> Option<GeneratedCode> {
        let path = self.search.place(&self.image.file());
        let read = perf_map::read(&path, generator.listed_ns);
        self.listed(Source::PerfMap, &path, read)
    }

    /// What a process dumped of the code that it made.
    fn dump(&mut self, generator: &Generator) -> Option<GeneratedCode> {
        let name = format!("jit-{}.dump", generator.pid);
        let folder = generator.working_directory.as_deref().map(raw_text::to_path);
        let recorded = folder.into_iter().chain([PathBuf::from("/tmp")]);
        let mut places: Vec<PathBuf> =
            recorded.map(|folder| self.search.place(&folder.join(&name))).collect();
        places.extend(self.search.debug_folders.iter().map(|folder| folder.join(&name)));
        // Each run of an agent of perf's has a folder of its own.
        let runs = self
            .search
            .dump_folders
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        places.extend(runs.map(|run| run.path().join(&name)).filter(|path| path.exists()));
        places.dedup();
        places.into_iter().find_map(|path| {
            let read = jitdump::read(&path, generator.pid, generator.listed_ns);
            self.listed(Source::Dump, &path, read)
        })
    }

    /// Notes what a list was.
    fn listed(
        &mut self,
        source: Source,
        path: &Path,
        read: Result<GeneratedCode, Outcome>,
    ) -> Option<GeneratedCode> {
        let (found, outcome) = match read {
            Ok(code) => (Some(code), Outcome::Used(Holds { symbols: true, ..Holds::default() })),
            Err(outcome) => (None, outcome),
        };
        self.note(source, path, outcome);
        found
    }

    /// The file that ran: where it was, else a copy with its build-id in a folder of the user's.
    fn binary(&mut self) -> Option<Found> {
        let (image, recorded) = (self.image, self.image.file());
        let mut candidates = vec![self.search.place(&recorded)];
        if !image.build_id.is_empty() {
            let names = [recorded.file_name().map(PathBuf::from), build_id_path(&image.build_id, "")];
            let folders = self.search.debug_folders.iter();
            candidates
                .extend(folders.flat_map(|folder| names.iter().flatten().map(|name| folder.join(name))));
            let caches = self.search.caches.iter();
            candidates.extend(caches.map(|cache| cache.join(hex(&image.build_id)).join("executable")));
        }
        let found = candidates
            .into_iter()
            .find_map(|path| self.try_file(path, Source::File, |file| check(image, file)));
        found.or_else(|| self.held())
    }

    /// The file that ran, where it was opened before it was gone.
    fn held(&mut self) -> Option<Found> {
        let image = self.image;
        let name = image.file();
        let may_be =
            |held: &&HeldFile| !image.build_id.is_empty() || held.path.file_name() == name.file_name();
        let of_it = |held: &HeldFile| {
            Some((held.at.clone(), ElfFile::read(&held.at).ok().filter(|file| file.is_of(image))?))
        };
        let (path, file) = self.search.held.iter().filter(may_be).find_map(of_it)?;
        self.note(Source::File, &path, Outcome::Used(file.holds));
        Some((path, file))
    }

    /// The file that `.gnu_debuglink` names, in the places where gdb looks.
    fn by_link(&mut self, (binary, file): &Found) -> Option<Found> {
        let (name, crc) = file.debug_link.as_ref()?;
        let name = OsStr::from_bytes(name);
        // A link to a library stands in one folder, and what belongs to the library in that of its file.
        // In another root folder links have been followed, and lead elsewhere as seen from here.
        let real =
            Some(binary).filter(|_| self.search.sysroot.is_none()).and_then(|path| path.canonicalize().ok());
        let real = real.unwrap_or_else(|| binary.clone());
        let (mut here, mut recorded) = (Vec::new(), vec![self.image.file()]);
        for path in [binary, &real] {
            here.extend(path.parent().map(Path::to_owned));
            recorded.push(self.search.recorded(path));
        }
        let beside = here.iter().flat_map(|folder| [folder.join(name), folder.join(".debug").join(name)]);
        let mut candidates: Vec<PathBuf> = beside.collect();
        for debug_folder in self.search.all_debug_folders() {
            let folders = recorded.iter().filter_map(|path| path.parent());
            candidates.extend(folders.map(|folder| debug_folder.join(relative(folder)).join(name)));
        }
        candidates.extend(self.search.debug_folders.iter().map(|folder| folder.join(name)));
        let mut seen = vec![binary.clone(), real];
        candidates.retain(|candidate| {
            let is_new = !seen.contains(candidate);
            seen.push(candidate.clone());
            is_new
        });
        let belongs = |path: &Path, found: &ElfFile| {
            let belongs = if file.build_id.is_empty() || found.build_id.is_empty() {
                crc::of_file(path).is_ok_and(|found| found == *crc)
            } else {
                file.build_id == found.build_id
            };
            if belongs { Ok(()) } else { Err(binary.display().to_string()) }
        };
        candidates.into_iter().find_map(|path| {
            let of = path.clone();
            self.try_debug(path, Source::DebugLink, |found| belongs(&of, found))
        })
    }

    /// The file `.build-id/xx/yyyy.debug` with this build-id, or what was fetched from a server.
    fn by_build_id(&mut self, build_id: &[u8], source: Source) -> Option<Found> {
        let name = build_id_path(build_id, ".debug")?;
        let mut places: Vec<PathBuf> =
            self.search.all_debug_folders().map(|folder| folder.join(&name)).collect();
        places.extend(self.search.caches.iter().map(|cache| cache.join(hex(build_id)).join("debuginfo")));
        places.into_iter().find_map(|place| self.try_debug(place, source, |file| has(file, build_id)))
    }

    /// A file of a build that a server has.
    fn fetched(&mut self, wanted: Wanted, build_id: &[u8], source: Source) -> Option<PathBuf> {
        let servers = self.search.debuginfod.as_ref()?;
        let name = self.image.path.rsplit('/').next().unwrap_or_default();
        let outcome = match servers.fetch(wanted, build_id, name) {
            Ok(path) => return Some(path),
            Err(Failure::NowhereThere) => Outcome::Missing,
            Err(Failure::Failed(why)) => Outcome::Failed(why),
        };
        self.note(source, &wanted.path(build_id), outcome);
        None
    }

    /// The debug information of a build that a server has.
    fn fetched_debug(&mut self, build_id: &[u8], source: Source) -> Option<Found> {
        let path = self.fetched(Wanted::DebugInformation, build_id, source)?;
        self.try_debug(path, source, |file| has(file, build_id))
    }

    /// The file that `.gnu_debugaltlink` of the debug file names.
    fn supplement(&mut self, (debug, file): &Found) -> Option<PathBuf> {
        let (name, build_id) = file.supplement.as_ref()?;
        // A debug file found through a symbolic link names its supplement from where it really is.
        let real = debug.canonicalize().unwrap_or_else(|_| debug.clone());
        let name = OsStr::from_bytes(name);
        let named = match Path::new(name).is_absolute() {
            true => self.search.place(Path::new(name)),
            false => real.parent()?.join(name),
        };
        let found = self.try_debug(named, Source::Supplement, |file| has(file, build_id));
        found.or_else(|| self.by_build_id(build_id, Source::Supplement)).map(|(path, _)| path)
    }

    /// The file at `path`, if it has debug information and is the right one.
    fn try_debug(
        &mut self,
        path: PathBuf,
        source: Source,
        check: impl Fn(&ElfFile) -> Result<(), String>,
    ) -> Option<Found> {
        let (path, file) = self.read(path, source)?;
        if !file.holds.debug_information {
            self.note(source, &path, Outcome::Stripped);
            return None;
        }
        self.checked((path, file), source, check)
    }

    /// The file at `path`, if it is the right one.
    fn try_file(
        &mut self,
        path: PathBuf,
        source: Source,
        check: impl Fn(&ElfFile) -> Result<(), String>,
    ) -> Option<Found> {
        let found = self.read(path, source)?;
        self.checked(found, source, check)
    }

    fn read(&mut self, path: PathBuf, source: Source) -> Option<Found> {
        match ElfFile::read(&path) {
            Ok(file) => Some((path, file)),
            Err(error) => {
                let outcome = match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Outcome::Missing,
                    _ => Outcome::Unreadable(error.to_string()),
                };
                self.note(source, &path, outcome);
                None
            }
        }
    }

    fn checked(
        &mut self,
        (path, file): Found,
        source: Source,
        check: impl Fn(&ElfFile) -> Result<(), String>,
    ) -> Option<Found> {
        match check(&file) {
            Ok(()) => {
                self.note(source, &path, Outcome::Used(file.holds));
                Some((path, file))
            }
            Err(difference) => {
                self.note(source, &path, Outcome::Other(difference));
                None
            }
        }
    }
}

/// Asks whether `file` is what ran.
fn check(image: &ModuleImage, file: &ElfFile) -> Result<(), String> {
    if file.is_of(image) {
        return Ok(());
    }
    Err(match (image.build_id.is_empty(), file.build_id.is_empty()) {
        (true, _) => "it is not the file that ran".to_owned(),
        (false, true) => format!("its build-id was {}, it has none now", hex(&image.build_id)),
        (false, false) => format!("its build-id was {}, it is {}", hex(&image.build_id), hex(&file.build_id)),
    })
}

/// Asks whether `file` has this build-id.
fn has(file: &ElfFile, build_id: &[u8]) -> Result<(), String> {
    match file.build_id == build_id {
        true => Ok(()),
        false => Err(format!("its build-id is {}", hex(&file.build_id))),
    }
}

/// `.build-id/xx/yyyy` with an ending.
fn build_id_path(build_id: &[u8], ending: &str) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first()?;
    Some(PathBuf::from(OsString::from(format!(".build-id/{first:02x}/{}{ending}", hex(rest)))))
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}
