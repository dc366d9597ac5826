//! The files that speak for a module: the binary itself, and a separate file with its debug information.
//!
//! Finds and checks files; reads nothing in them but what `elf_file` says.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::ModuleImage;
use super::crc;
use super::elf_file::ElfFile;
use super::mini_debug_info::MiniDebugInfo;
use super::problem::{Problem, Reason};
use crate::text::hex;

/// The files to read, each checked to belong to the recorded module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// The binary that ran; for its symbols, and its DWARF if it has any.
    pub binary: Option<PathBuf>,
    /// The file with DWARF, perhaps the binary.
    pub debug: Option<PathBuf>,
    /// What `debug` shares with the debug files of other binaries (`.gnu_debugaltlink`, made by dwz).
    pub supplement: Option<PathBuf>,
    /// Whether parts of `debug` may be in files of their own.
    pub has_parts: bool,
    /// What is packed into the binary.
    pub mini_debug_info: MiniDebugInfo,
}

impl Sources {
    /// Finds the files of `image`, with separate debug information under `debug_folder`. What is in the way becomes a
    /// sentence in `problems`.
    pub(super) fn find(image: &ModuleImage, debug_folder: &Path, problems: &mut Vec<Problem>) -> Sources {
        if !image.path.contains('/') {
            return Sources::default();
        }
        let binary = image.file();
        let binary = binary.as_path();
        let checked = check_binary(image, binary);
        let file = checked.as_ref().ok();
        let own = file.filter(|file| file.has_dwarf).map(|file| (binary.to_owned(), file.clone()));
        let found = own
            .or_else(|| linked_debug_file(binary, file?, debug_folder, problems))
            .or_else(|| by_build_id(&image.build_id, debug_folder));
        match (&checked, &found) {
            (Err(problem), None) => problems.push(problem.clone()),
            (Ok(file), _) if image.build_id.is_empty() && image.is_older_than(file.modified_ns) => {
                let (reason, file) = (Reason::Younger, image.path.clone());
                problems.push(Problem { reason, file, detail: String::new() });
            }
            _ => {}
        }
        let supplement =
            found.as_ref().and_then(|(path, file)| supplement(path, file, debug_folder, problems));
        Sources {
            binary: file.map(|_| binary.to_owned()),
            has_parts: found.as_ref().is_some_and(|(_, file)| file.has_parts),
            debug: found.map(|(path, _)| path),
            supplement,
            mini_debug_info: file.map(|file| file.mini_debug_info.clone()).unwrap_or_default(),
        }
    }
}

/// The facts of the file at the module's path, or why it cannot be used.
fn check_binary(image: &ModuleImage, binary: &Path) -> Result<ElfFile, Problem> {
    let problem = |reason, detail| Problem { reason, file: image.path.clone(), detail };
    let file = ElfFile::read(binary).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => problem(Reason::NotHere, String::new()),
        _ => problem(Reason::Unreadable, error.to_string()),
    })?;
    if file.is_of(image) {
        return Ok(file);
    }
    let difference = match (image.build_id.is_empty(), file.build_id.is_empty()) {
        (true, _) => "it is not the file that ran".to_owned(),
        (false, true) => format!("its build-id was {}, it has none now", hex(&image.build_id)),
        (false, false) => format!("its build-id was {}, it is {}", hex(&image.build_id), hex(&file.build_id)),
    };
    Err(problem(Reason::Changed, difference))
}

/// The file that `.gnu_debuglink` names, in the places where gdb looks.
fn linked_debug_file(
    binary: &Path,
    file: &ElfFile,
    debug_folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<(PathBuf, ElfFile)> {
    let (name, crc) = file.debug_link.as_ref()?;
    let name = OsStr::from_bytes(name);
    // A link to a library stands in one folder, and what belongs to the library in that of its file.
    let real = binary.canonicalize().ok().filter(|real| real != binary);
    let folders = [Some(binary), real.as_deref()].into_iter().flatten().filter_map(Path::parent);
    let candidates = folders.flat_map(|folder| {
        let in_debug_folder = debug_folder.join(folder.strip_prefix("/").unwrap_or(folder));
        [folder.join(name), folder.join(".debug").join(name), in_debug_folder.join(name)]
    });
    for candidate in candidates {
        let Ok(found) = ElfFile::read(&candidate) else { continue };
        if candidate == binary || Some(&candidate) == real.as_ref() || !found.has_dwarf {
            continue;
        }
        let belongs = if file.build_id.is_empty() || found.build_id.is_empty() {
            crc::of_file(&candidate).is_ok_and(|found| found == *crc)
        } else {
            file.build_id == found.build_id
        };
        if belongs {
            return Some((candidate, found));
        }
        problems.push(Problem {
            reason: Reason::OtherDebug,
            file: candidate.display().to_string(),
            detail: binary.display().to_string(),
        });
    }
    None
}

/// The file `.build-id/xx/yyyy.debug` with this build-id.
fn by_build_id(build_id: &[u8], debug_folder: &Path) -> Option<(PathBuf, ElfFile)> {
    let (first, rest) = build_id.split_first()?;
    let path = debug_folder.join(format!(".build-id/{first:02x}/{}.debug", hex(rest)));
    let file = ElfFile::read(&path).ok()?;
    (file.build_id == build_id).then_some((path, file))
}

/// The file that `.gnu_debugaltlink` of the debug file names.
fn supplement(
    debug: &Path,
    file: &ElfFile,
    debug_folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<PathBuf> {
    let (name, build_id) = file.supplement.as_ref()?;
    // A debug file found through a symbolic link names its supplement from where it really is.
    let real = debug.canonicalize().unwrap_or_else(|_| debug.to_owned());
    let named = real.parent()?.join(OsStr::from_bytes(name));
    if ElfFile::read(&named).is_ok_and(|found| found.build_id == *build_id) {
        return Some(named);
    }
    let found = by_build_id(build_id, debug_folder);
    if found.is_none() {
        problems.push(Problem {
            reason: Reason::NoSupplement,
            file: named.display().to_string(),
            detail: debug.display().to_string(),
        });
    }
    found.map(|(path, _)| path)
}
