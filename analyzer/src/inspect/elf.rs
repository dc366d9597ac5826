//! Whether an ELF file loads preloaded libraries, ours among them, and whether its allocations go through them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use object::Endianness;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::read::{Object, ObjectSymbol, ReadCache, SymbolKind};

use super::own_allocator::own_allocators;
use super::{Refusal, Result, refuse};

/// `EI_CLASS` of 64-bit files.
const CLASS_64: u8 = 2;
/// `EI_DATA` of little-endian files.
const LITTLE_ENDIAN: u8 = 1;
/// `e_machine` of this build of tmtool, and so of the `libtm.so` beside it.
const OUR_MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// What the names of the dynamic loaders start with, on all machines, of the C libraries that libtm.so works with: glibc and musl.
const LOADERS: [&str; 2] = ["ld-linux", "ld-musl"];

type Elf<'a> = ElfFile64<'a, Endianness, &'a ReadCache<File>>;

/// What the checks look at.
struct Facts {
    /// The dynamic loader that the program asks for, `PT_INTERP`.
    loader: Option<String>,
    /// The libraries it names, `DT_NEEDED`.
    libraries: Vec<String>,
    /// The functions that it defines for others in its dynamic symbol table.
    exports: Vec<String>,
    /// What its dynamic symbol table has but does not define.
    imports: Vec<String>,
    is_go: bool,
    /// The allocators that it has inside.
    own_allocators: Vec<&'static str>,
}

/// Checks the ELF file at `path`; the notes say what a recording of it will not hold.
///
/// # Errors
/// A refusal.
pub(super) fn check(path: &Path) -> Result<Vec<String>> {
    let facts = facts(path, path)?;
    check_loader(path, &facts)?;
    check_loader_exists(path, &facts)?;
    check_sanitizer(path, &facts)?;
    check_allocator(path, &facts)?;
    Ok(notes(path, &facts))
}

/// Checks the ELF file that can be read at `file` and runs as `path`: whether its calls can be led to a library that comes late.
///
/// # Errors
/// A refusal.
pub(super) fn check_running(file: &Path, path: &Path) -> Result<Vec<String>> {
    let facts = facts(file, path)?;
    check_loader(path, &facts)?;
    check_sanitizer(path, &facts)?;
    check_allocator(path, &facts)?;
    Ok(notes(path, &facts))
}

/// The facts of a program that libtm.so is built for.
fn facts(file: &Path, path: &Path) -> Result<Facts> {
    let cannot_read =
        |error: &dyn std::fmt::Display| Refusal(format!("cannot read {}: {error}", path.display()));
    let mut opened = File::open(file).map_err(|error| cannot_read(&error))?;
    let mut start = [0; 20];
    opened.read_exact(&mut start).map_err(|error| cannot_read(&error))?;
    check_machine(path, &start)?;
    let cache = ReadCache::new(opened);
    let elf = Elf::parse(&cache).map_err(|error| {
        Refusal(format!("{} is a damaged program ({error}); build or install it again", path.display()))
    })?;
    Ok(Facts { own_allocators: own_allocators(file), ..Facts::of(&elf, &cache) })
}

impl Facts {
    /// Parts that cannot be read count as absent: the dynamic loader judges them better than we do.
    fn of<'a>(elf: &Elf<'a>, data: &'a ReadCache<File>) -> Facts {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut headers = elf.elf_program_headers().iter();
        let loader =
            headers.find_map(|header| header.interpreter(elf.endian(), data).ok().flatten()).map(text);
        let libraries = elf.import_libraries().into_iter().flatten();
        let mut facts = Facts {
            loader,
            libraries: libraries.filter_map(|library| Some(text(library.ok()?.name()))).collect(),
            exports: Vec::new(),
            imports: Vec::new(),
            is_go: elf.section_by_name(".go.buildinfo").is_some(),
            own_allocators: Vec::new(),
        };
        for symbol in elf.dynamic_symbols() {
            let Ok(name) = symbol.name() else { continue };
            if symbol.is_undefined() {
                facts.imports.push(name.to_owned());
            } else if symbol.kind() == SymbolKind::Text {
                facts.exports.push(name.to_owned());
            }
        }
        facts
    }

    fn exports(&self, name: &str) -> bool {
        self.exports.iter().any(|export| export == name)
    }

    fn has_library(&self, start: &str) -> bool {
        self.libraries.iter().any(|library| library.starts_with(start))
    }
}

fn check_machine(path: &Path, start: &[u8; 20]) -> Result<()> {
    let path = path.display();
    let [_, _, _, _, class, data, .., low, high] = *start;
    if class != CLASS_64 {
        return refuse(format!(
            "{path} is a 32-bit program, libtm.so is for 64-bit ones; use a 64-bit build of it"
        ));
    }
    let machine = u16::from_le_bytes([low, high]);
    if data != LITTLE_ENDIAN || machine != OUR_MACHINE {
        let (theirs, ours) = (machine_name(machine), machine_name(OUR_MACHINE));
        return refuse(format!(
            "{path} is a program for {theirs}, libtm.so for {ours}; use a tm built for {theirs}"
        ));
    }
    Ok(())
}

fn machine_name(machine: u16) -> String {
    match machine {
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        243 => "riscv".to_owned(),
        other => format!("another machine (number {other})"),
    }
}

/// A dynamic loader that preloads, of a C library that libtm.so is made for.
fn check_loader(path: &Path, facts: &Facts) -> Result<()> {
    let shown = path.display();
    let Some(loader) = &facts.loader else {
        if is_loader(path) {
            // It loads the program that its arguments name, and what is preloaded.
            return Ok(());
        }
        return refuse(if facts.is_go {
            format!(
                "{shown} is a static Go program, which allocates without malloc; use Go's own pprof for it"
            )
        } else {
            format!("{shown} is statically linked, so no library can be preloaded; link it without -static")
        });
    };
    let name = loader.rsplit('/').next().unwrap_or(loader);
    if !LOADERS.iter().any(|known| name.starts_with(known)) {
        return refuse(format!(
            "{shown} is loaded by {loader}, which is neither glibc's loader nor musl's; use a build of it for one of these"
        ));
    }
    Ok(())
}

fn check_loader_exists(path: &Path, facts: &Facts) -> Result<()> {
    match &facts.loader {
        Some(loader) if !Path::new(loader).exists() => refuse(format!(
            "{} needs the loader {loader}, which does not exist; install the C library it was built for",
            path.display()
        )),
        _ => Ok(()),
    }
}

/// Whether the program is such a loader itself, under its own name or a link's.
fn is_loader(path: &Path) -> bool {
    let real = std::fs::canonicalize(path);
    let is_loader = |path: &Path| {
        let name = path.file_name().map_or(&[][..], |name| name.as_encoded_bytes());
        LOADERS.iter().any(|known| name.starts_with(known.as_bytes()))
    };
    is_loader(path) || real.is_ok_and(|real| is_loader(&real))
}

/// Sanitizers replace malloc and refuse to run behind another preloaded library.
fn check_sanitizer(path: &Path, facts: &Facts) -> Result<()> {
    const SANITIZERS: [(&str, &str); 5] = [
        ("asan", "AddressSanitizer"),
        ("tsan", "ThreadSanitizer"),
        ("msan", "MemorySanitizer"),
        ("lsan", "LeakSanitizer"),
        ("hwasan", "HWAddressSanitizer"),
    ];
    let names = || facts.exports.iter().chain(&facts.imports);
    let found = SANITIZERS.iter().find(|(short, _)| {
        let init = format!("__{short}_init");
        facts.has_library(&format!("lib{short}.so")) || names().any(|name| *name == init)
    });
    match found {
        None => Ok(()),
        Some((_, name)) => refuse(format!(
            "{} is built with {name}, which replaces malloc itself; build it without -fsanitize",
            path.display()
        )),
    }
}

/// The program's own functions come before those of preloaded libraries.
fn check_allocator(path: &Path, facts: &Facts) -> Result<()> {
    if !facts.exports("malloc") {
        return Ok(());
    }
    refuse(format!(
        "{} exports a malloc of its own, which comes before any preloaded one; build it with the system's allocator \
         (without its jemalloc, tcmalloc or mimalloc option)",
        path.display()
    ))
}

fn notes(path: &Path, facts: &Facts) -> Vec<String> {
    let path = path.display();
    let go = facts.is_go.then(|| {
        format!("{path} is a Go program: only what its C code allocates is recorded, Go's own heap does not use malloc")
    });
    let own: Vec<&str> = facts.own_allocators.iter().copied().filter(|_| !facts.is_go).collect();
    let inner = (!own.is_empty()).then(|| {
        let own = own.join(", ");
        format!("{path} has an allocator inside ({own}): what it allocates with that is not recorded")
    });
    go.into_iter().chain(inner).collect()
}
