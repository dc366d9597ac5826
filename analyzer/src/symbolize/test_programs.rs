//! Small programs in C, C++ and Rust for the tests, and binutils' answer to the same questions.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::read::{Object, ObjectSymbol};
use tempfile::TempDir;

use super::ModuleImage;
use super::elf_file::ElfFile;
use super::paths::normalize;

pub(super) const C: (&str, &str) = (
    "program.c",
    "#include <stdlib.h>\n\
     static inline __attribute__((always_inline)) void *inner(int n) {\n\
     \treturn malloc(n * 3);\n\
     }\n\
     static inline __attribute__((always_inline)) void *middle(int n) {\n\
     \tif (n > 2)\n\
     \t\treturn inner(n + 1);\n\
     \treturn inner(n * 7);\n\
     }\n\
     __attribute__((noinline)) void *outer(int n) {\n\
     \tvoid *p = middle(n);\n\
     \tfree(middle(n + 9));\n\
     \treturn p;\n\
     }\n\
     int main(int argc, char **argv) { free(outer(argc)); return argv == 0; }\n",
);

pub(super) const CPP: (&str, &str) = (
    "program.cc",
    "#include <string>\n#include <vector>\n\
     namespace shop { template <class T> struct Shelf {\n\
     \tstd::vector<T> things;\n\
     \t__attribute__((noinline)) void put(T thing) { things.push_back(thing); }\n\
     }; }\n\
     __attribute__((noinline)) std::string label(int n) {\n\
     \tauto text = [&](const char *word) { return std::string(word) + std::to_string(n); };\n\
     \treturn text(\"a shelf of things, number \");\n\
     }\n\
     int main(int argc, char **) {\n\
     \tshop::Shelf<int> shelf; shelf.put(argc);\n\
     \treturn label(shelf.things[0]).size() == 3;\n\
     }\n",
);

pub(super) const RUST: (&str, &str) = (
    "program.rs",
    "#[inline(never)]\n\
     pub fn squares(n: usize) -> Vec<usize> {\n\
     \t(0..n).map(|x| x * x).collect()\n\
     }\n\
     pub trait Weigh { fn weigh(&self) -> usize; }\n\
     impl Weigh for Box<[usize]> {\n\
     \t#[inline(never)]\n\
     \tfn weigh(&self) -> usize { self.iter().copied().filter(|x| x % 3 == 0).sum() }\n\
     }\n\
     fn main() {\n\
     \tlet n = std::env::args().count();\n\
     \tprintln!(\"{}\", squares(n).into_boxed_slice().weigh());\n\
     }\n",
);

/// A program in a folder of its own.
pub(super) struct Program {
    pub folder: TempDir,
    pub path: PathBuf,
}

impl Program {
    /// Writes `source` and compiles it with `command`, which is given the source and `-o`.
    pub(super) fn build(source: (&str, &str), command: &[&str]) -> Program {
        let folder = TempDir::new().unwrap();
        let (from, path) = (folder.path().join(source.0), folder.path().join("program"));
        fs::write(&from, source.1).unwrap();
        let from = from.display().to_string();
        run_in(folder.path(), &[command, &[&from, "-o", "program"]].concat());
        Program { folder, path }
    }

    /// Runs a command in the program's folder.
    pub(super) fn run(&self, command: &[&str]) {
        run_in(self.folder.path(), command);
    }

    /// The program as if it were loaded at `bias`.
    pub(super) fn image(&self, bias: u64) -> ModuleImage {
        let file = ElfFile::read(&self.path).unwrap();
        let (start, end) = file.addresses;
        ModuleImage {
            path: self.path.display().to_string(),
            build_id: file.build_id,
            bias,
            start: bias + start,
            end: bias + end,
            segments: file.segments,
            recorded_ns: 0,
            generated_by: None,
        }
    }

    /// Every address in the functions whose mangled names contain `part`.
    pub(super) fn addresses_of(&self, part: &str) -> Vec<u64> {
        let data = fs::read(&self.path).unwrap();
        let object = object::File::parse(&*data).unwrap();
        let chosen = object.symbols().filter(|symbol| symbol.name().is_ok_and(|name| name.contains(part)));
        let addresses: Vec<u64> =
            chosen.flat_map(|symbol| symbol.address()..symbol.address() + symbol.size()).collect();
        assert!(!addresses.is_empty(), "no function {part}");
        addresses
    }
}

/// What binutils' `addr2line -f -i -C` says: for each address (function, file, line), innermost first.
pub(super) fn binutils(program: &Path, addresses: &[u64]) -> Vec<Vec<(String, String, u32)>> {
    let mut command = Command::new("addr2line");
    command.args(["-a", "-f", "-i", "-C", "-e"]).arg(program);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let questions: String = addresses.iter().map(|address| format!("{address:#x}\n")).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()).unwrap());
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    writer.join().unwrap();

    let mut answers: Vec<Vec<(String, String, u32)>> = Vec::new();
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("0x") && line.len() == 18 {
            answers.push(Vec::new());
            continue;
        }
        let (file, number) = lines.next().unwrap().rsplit_once(':').unwrap();
        let number = number.split(' ').next().unwrap().parse().unwrap_or(0);
        answers.last_mut().unwrap().push((line.to_owned(), normalize(file), number));
    }
    answers
}

fn run_in(folder: &Path, command: &[&str]) {
    let output = Command::new(command[0]).args(&command[1..]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
