//! Whether a file has an allocator of its own inside, whose calls nobody can stand before: linked in under whatever prefix,
//! stripped or not.
//!
//! Files of allocators themselves do not count: programs call those through symbols, which are hooked.

use std::fs::{self, File};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use memchr::memmem;
use object::read::{Object, ObjectSection, ObjectSymbol, ReadCache};
use rustc_hash::FxHashMap;

use crate::reader::Recording;
use crate::text::{raw_text, words};

/// What gives an allocator away.
struct Mark {
    name: &'static str,
    /// The end of a function's name: all of it, or what follows a prefix and an underscore.
    function: &'static str,
    /// Text that it has even if its symbols are stripped; empty if it has none of its own.
    text: &'static str,
}

const MARKS: [Mark; 9] = [
    Mark { name: "jemalloc", function: "mallocx", text: "<jemalloc>: " },
    Mark { name: "mimalloc", function: "mi_malloc", text: "mimalloc: error: " },
    Mark { name: "tcmalloc", function: "tc_malloc", text: "tcmalloc page size" },
    Mark { name: "tcmalloc", function: "TCMallocInternalMalloc", text: "tcmalloc/internal" },
    Mark { name: "oneTBB's allocator", function: "scalable_malloc", text: "TBBmalloc: VERSION" },
    Mark { name: "Boehm's collector", function: "GC_malloc", text: "GC Warning: " },
    Mark { name: "rpmalloc", function: "rpmalloc", text: "" },
    Mark { name: "snmalloc", function: "sn_rust_alloc", text: "" },
    Mark { name: "Go's heap", function: "runtime.mallocgc", text: "runtime.mallocgc" },
];

/// How the files of allocators begin whose own functions are hooked.
const HOOKED: [&str; 5] = ["libjemalloc", "libmimalloc", "libtcmalloc", "libtbbmalloc", "libgc"];

/// The allocators inside of the file at `path`; none if it cannot be read.
pub fn own_allocators(path: &Path) -> Vec<&'static str> {
    find(path, None).unwrap_or_default()
}

/// The same for the file that has this build id, or any if it is empty.
fn find(path: &Path, build_id: Option<&[u8]>) -> Option<Vec<&'static str>> {
    let name = path.file_name()?.to_string_lossy();
    if HOOKED.iter().any(|hooked| name.starts_with(hooked)) || !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    if build_id.is_some_and(|id| !id.is_empty() && file.build_id().ok().flatten() != Some(id)) {
        return None;
    }
    let has_text = |section: &str, text: &str| {
        let data = file.section_by_name(section).and_then(|section| section.data().ok());
        data.is_some_and(|data| memmem::find(data, text.as_bytes()).is_some())
    };
    let defines = |mark: &Mark, dynamic: bool| {
        let is_it = |symbol: object::Symbol<'_, '_, &ReadCache<File>>| {
            symbol.is_definition() && symbol.name().is_ok_and(|name| is_function(name, mark.function))
        };
        // Few files have the name at all, and the table of names is read faster than that of symbols.
        match dynamic {
            true => has_text(".dynstr", mark.function) && file.dynamic_symbols().any(is_it),
            false => has_text(".strtab", mark.function) && file.symbols().any(is_it),
        }
    };
    let is_stripped = file.section_by_name(".symtab").is_none();
    let has = |mark: &Mark| {
        defines(mark, false)
            || defines(mark, true)
            || is_stripped && !mark.text.is_empty() && has_text(".rodata", mark.text)
    };
    let mut found: Vec<&'static str> = MARKS.iter().filter(|mark| has(mark)).map(|mark| mark.name).collect();
    found.dedup();
    // An allocator that takes the place of malloc is called through it.
    let replaces =
        || file.dynamic_symbols().any(|symbol| symbol.is_definition() && symbol.name() == Ok("malloc"));
    Some(if found.is_empty() || replaces() { Vec::new() } else { found })
}

fn is_function(name: &str, function: &str) -> bool {
    name.strip_suffix(function).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('_'))
}

/// As [`find`], looked up once a process: a run of many programs has the same libraries in each recording.
fn find_once(path: &str, build_id: &[u8]) -> Vec<&'static str> {
    type Known = FxHashMap<(String, Vec<u8>), Vec<&'static str>>;
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default().entry((path.to_owned(), build_id.to_vec()));
    known.or_insert_with(|| find(&raw_text::to_path(path), Some(build_id)).unwrap_or_default()).clone()
}

/// The recorded files that have allocators inside, each with these: as the recording says, or else the file.
pub fn of_files(recording: &Recording) -> Vec<(&str, &[u8], Vec<&str>)> {
    let mut files: Vec<(&str, &[u8])> =
        recording.modules.all().iter().map(|module| (&*module.path, &*module.build_id)).collect();
    files.sort_unstable();
    files.dedup();
    let known = |path, build_id| recording.bundle.allocators(path, build_id);
    let found = files.into_iter().map(|(path, build_id)| {
        (path, build_id, known(path, build_id).unwrap_or_else(|| find_once(path, build_id)))
    });
    found.filter(|(.., found)| !found.is_empty()).collect()
}

/// What of the recorded files was not seen, in one sentence.
pub fn sentence(recording: &Recording) -> Option<String> {
    let mut named = Vec::new();
    for (path, _, found) in of_files(recording) {
        let name = path.rsplit('/').next().unwrap_or(path);
        named.push(format!("{name} ({})", found.join(", ")));
    }
    (!named.is_empty()).then(|| {
        format!(
            "Files with an allocator of their own inside, what that allocates is not recorded: {}.",
            words::named(&named)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_with_an_underscore() {
        for name in ["mallocx", "_rjem_mallocx", "je_arrow_mallocx"] {
            assert!(is_function(name, "mallocx"), "{name}");
        }
        for name in ["dallocx", "mallocxx", "tmallocx"] {
            assert!(!is_function(name, "mallocx"), "{name}");
        }
    }

    #[test]
    fn what_is_no_library_has_none() {
        assert_eq!(own_allocators(Path::new("/no/such/file")), Vec::<&str>::new());
        assert_eq!(own_allocators(Path::new("/dev/null")), Vec::<&str>::new());
        assert_eq!(own_allocators(Path::new("/bin/sh")), Vec::<&str>::new());
    }
}
