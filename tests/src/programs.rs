//! Test programs, compiled from `tests/programs` on the spot and kept in the target folder by what they were made of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::products::{target_folder, workspace};

/// Compiles `tests/programs/SOURCE` with `flags` after the compiler's name. The suffix chooses the compiler: `.c` gcc,
/// `.cc` g++, `.rs` rustc. C and C++ find `tm.h`, Rust finds the crate `tm`.
///
/// # Panics
/// The compiler is missing or refuses.
pub fn compile(source: &str, flags: &[&str]) -> PathBuf {
    let compiler = match Path::new(source).extension().and_then(|extension| extension.to_str()) {
        Some("c") => "gcc",
        Some("cc") => "g++",
        _ => "rustc",
    };
    compile_by(compiler, source, flags)
}

/// The same with another compiler of the language.
///
/// # Panics
/// As [`compile`].
pub fn compile_by(compiler: &str, source: &str, flags: &[&str]) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(source);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    // The headers that C and C++ programs share, and what is included by another language's.
    let include = workspace().join("api/include");
    let headers =
        ["noted.h", "ticks.h", "tracemalloc_api.h", "calls_tm.c"].map(|header| path.with_file_name(header));
    let headers = headers.into_iter().chain([include.join("tm.h")]);
    let headers: Vec<Vec<u8>> = headers.map(|header| std::fs::read(header).unwrap_or_default()).collect();
    let mut hasher = DefaultHasher::new();
    (&text, &headers, &path, compiler, flags).hash(&mut hasher);
    let stem = path.file_stem().expect("a source has a name").to_string_lossy().into_owned();
    let folder = target_folder().join("tm-tests").join(format!("{stem}-{:016x}", hasher.finish()));
    let program = folder.join(&stem);
    if program.is_file() {
        return program;
    }
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    // Tests compile at the same time: each under a name of its own, and the first to end wins. What is there is never
    // replaced: it may be running already, and a recording names its file.
    let thread = format!("{:?}", std::thread::current().id());
    let unfinished = folder.join(format!("{}-{}", std::process::id(), thread.replace(['(', ')'], "")));
    // Libraries in `flags` stand after the source, where the linker wants them.
    let mut command = Command::new(compiler);
    command.arg("-o").arg(&unfinished).arg(&path).args(flags);
    match compiler {
        "rustc" => {
            command.args(["--edition", "2024", "--extern"]).arg(format!("tm={}", bindings().display()))
        }
        _ => command.arg("-I").arg(include),
    };
    let output = command.output().unwrap_or_else(|error| {
        panic!("cannot start {compiler} ({error}): scripts/setup installs what the tests need")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} refuses {source} with {flags:?}:\n{said}");
    match std::fs::hard_link(&unfinished, &program) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            panic!("cannot make {}: {error}", program.display())
        }
        _ => std::fs::remove_file(&unfinished).expect("the target folder can be written"),
    }
    program
}

/// The crate `tm`, compiled by nothing but the compiler: whoever wants it may copy its folder.
fn bindings() -> &'static Path {
    static BINDINGS: OnceLock<PathBuf> = OnceLock::new();
    BINDINGS.get_or_init(|| {
        let library = target_folder().join("tm-tests").join(format!("bindings-{}", std::process::id()));
        std::fs::create_dir_all(&library).expect("the target folder can be written");
        let library = library.join("libtm.rlib");
        let mut command = Command::new("rustc");
        command.args(["--edition", "2024", "--crate-type", "rlib", "--crate-name", "tm", "-g", "-O", "-o"]);
        let status = command.arg(&library).arg(workspace().join("api/src/lib.rs")).status();
        assert!(status.expect("rustc starts").success(), "rustc refuses api/src/lib.rs");
        library
    })
}

/// The path of a program, if it is installed.
pub fn find_installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|program| program.is_file())
}

/// The path of an installed program.
///
/// # Panics
/// It is not installed.
pub fn installed(name: &str) -> PathBuf {
    find_installed(name)
        .unwrap_or_else(|| panic!("{name} is not installed: scripts/setup installs what the tests need"))
}

/// The path of an installed shared library, as the loader would find it.
///
/// # Panics
/// It is not installed.
pub fn installed_library(name: &str) -> PathBuf {
    let output = Command::new("gcc").arg(format!("-print-file-name={name}")).output().expect("gcc starts");
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    assert!(path.is_absolute(), "{name} is not installed: scripts/setup installs what the tests need");
    path
}
