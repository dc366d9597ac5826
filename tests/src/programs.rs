//! Test programs, compiled from `tests/programs` on the spot and kept in the target folder by what they were made of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::products::{target_folder, workspace};
use crate::run::files;

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
    let headers = ["noted.h", "room.h", "ticks.h", "tracemalloc_api.h", "calls_tm.c"]
        .map(|header| path.with_file_name(header));
    let headers = headers.into_iter().chain([include.join("tm.h")]);
    let headers: Vec<Vec<u8>> = headers.map(|header| std::fs::read(header).unwrap_or_default()).collect();
    let bindings = (compiler == "rustc").then(bindings);
    let stem = path.file_stem().expect("a source has a name").to_string_lossy().into_owned();
    let mut command = Command::new(compiler);
    if compiler == "gfortran" {
        // Where it puts the modules of the source: else in the folder that the tests run in.
        command.arg("-J").arg(target_folder());
    }
    if compiler == "g++" {
        // What others have by default was later than gcc 10.
        command.arg("-std=gnu++17");
    }
    // Libraries in `flags` stand after the source, where the linker wants them.
    command.arg(&path).args(flags);
    match &bindings {
        Some(library) => {
            command.args(["--edition", "2024", "--extern"]).arg(format!("tm={}", library.display()))
        }
        // Before glibc 2.34 `dlsym` and its like are in a library of their own.
        None => command.arg("-I").arg(include).args(["-Wl,--as-needed", "-ldl"]),
    };
    made(&stem, &(&text, &headers, &path, &bindings, compiler, flags), &mut command)
}

/// The file `name` that `command` makes of `sources` under the name that it is given by `-o`; made once of the same.
fn made(name: &str, sources: &impl Hash, command: &mut Command) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    let folder = target_folder().join("tm-tests").join(format!("{name}-{:016x}", hasher.finish()));
    let file = folder.join(name);
    if file.is_file() {
        return file;
    }
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    // Tests compile at the same time, in threads and in processes: each in a folder of its own, and the first to end
    // wins. What is there is never replaced: it may be running already, and a recording names its file.
    let own = TempDir::new_in(&folder).expect("as above");
    let unfinished = own.path().join(name);
    let output = command.arg("-o").arg(&unfinished).output().unwrap_or_else(|error| {
        let compiler = command.get_program().display();
        panic!("cannot start {compiler} ({error}): scripts/setup installs what the tests need")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "refused: {command:?}\n{said}");
    match std::fs::hard_link(&unfinished, &file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            panic!("cannot make {}: {error}", file.display())
        }
        _ => file,
    }
}

/// The crate `tm`, compiled by nothing but the compiler: anybody may copy its folder.
fn bindings() -> PathBuf {
    let folder = workspace().join("api/src");
    let sources =
        files(&folder).into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    let sources = sources.map(|path| std::fs::read(path).expect("the crate has one level of folders"));
    let mut command = Command::new("rustc");
    command.args(["--edition", "2024", "--crate-type", "rlib", "--crate-name", "tm", "-g", "-O"]);
    made("libtm.rlib", &sources.collect::<Vec<_>>(), command.arg(folder.join("lib.rs")))
}

/// Copies a program, to be run under the name `to`. Another process does it: what this one writes is open, for a moment, in a
/// child that another test starts at that time too, and a file that somebody writes cannot be executed.
///
/// # Panics
/// It cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp is everywhere");
    assert!(status.success(), "cannot copy {} to {}: {status}", from.display(), to.display());
}

/// The path of a program, if it is installed.
pub fn find_installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|program| program.is_file())
}

/// Copies a program that is to be executed, by a process of its own: what other threads of this one fork meanwhile has the copy open
/// until it executes its own program, and the copy cannot be executed while anybody writes to it (`execve(2)`, ETXTBSY).
///
/// # Panics
/// It cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("--").args([from, to]).status().expect("cp starts");
    assert!(status.success(), "{} is copied to {}", from.display(), to.display());
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
