//! Lines of Python code against CPython itself: its `PyCode_Addr2Line` says for each instruction of code objects which line it
//! is of. The answers of one interpreter a version are kept in `python_lines/`, made by `dump.py` there of `constructs.py`; the
//! present python3 is asked about its own library.

use std::path::Path;
use std::process::Command;

use tm_analyzer::python::Lines;
use tm_common::metadata::LineTableKind;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_lines");
const VERSIONS: [(&str, LineTableKind); 7] = [
    ("3.9", LineTableKind::Lnotab),
    ("3.10", LineTableKind::Pairs),
    ("3.11", LineTableKind::Locations),
    ("3.12", LineTableKind::Locations),
    ("3.13", LineTableKind::Locations),
    ("3.14", LineTableKind::Locations),
    ("3.15", LineTableKind::Locations),
];
/// Some of the library's largest and most varied modules; each version has them.
const MODULES: [&str; 14] = [
    "argparse.py",
    "ast.py",
    "asyncio/base_events.py",
    "asyncio/streams.py",
    "contextlib.py",
    "dataclasses.py",
    "doctest.py",
    "enum.py",
    "pickle.py",
    "subprocess.py",
    "tarfile.py",
    "typing.py",
    "unittest/mock.py",
    "_pydecimal.py",
];

/// Compares each line that `dump.py` has written; returns of how many code objects, and how many instructions.
fn compare(text: &str, what: &str) -> (usize, u32) {
    let (mut n_codes, mut n_instructions) = (0, 0);
    for record in text.lines() {
        let mut words = record.split(' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("{what}: {record}"));
        let kind = LineTableKind::from_id(word().parse().unwrap());
        let first_line = word().parse().unwrap();
        let table = match word() {
            "-" => Vec::new(),
            digits => (0..digits.len() / 2)
                .map(|place| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).unwrap())
                .collect(),
        };
        let lines = Lines::read(kind, &table, first_line);
        let mut instruction = 0;
        for run in words {
            let (count, line) = run.split_once('x').unwrap();
            for _ in 0..count.parse::<u32>().unwrap() {
                let found = lines.line(Some(instruction));
                assert_eq!(found.to_string(), line, "{what}: instruction {instruction} of {record}");
                instruction += 1;
            }
        }
        assert_eq!(lines.line(None), first_line.unsigned_abs());
        n_instructions += instruction;
        n_codes += 1;
    }
    (n_codes, n_instructions)
}

#[test]
fn every_version_says_the_same() {
    for (version, kind) in VERSIONS {
        let text = std::fs::read_to_string(format!("{FOLDER}/{version}.txt")).unwrap();
        assert!(text.starts_with(&format!("{} 1 ", kind as u32)), "{version}");
        let (n_codes, n_instructions) = compare(&text, version);
        assert!(n_codes >= 10 && n_instructions > 500, "{version}: {n_codes}, {n_instructions}");
    }
}

#[test]
fn the_present_python_says_the_same_of_its_library() {
    let library = "import sys, sysconfig; print(sysconfig.get_path('stdlib')) if sys.version_info >= (3, 9) else sys.exit(1)";
    let library = Command::new("python3").args(["-c", library]).output();
    let Some(library) = library.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: no python3 of 3.9 or later");
        return;
    };
    let library = String::from_utf8(library.stdout).unwrap();
    let modules = MODULES.map(|module| Path::new(library.trim()).join(module));
    let output = Command::new("python3").arg(format!("{FOLDER}/dump.py")).args(modules).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (n_codes, n_instructions) = compare(&String::from_utf8(output.stdout).unwrap(), "python3");
    assert!(n_codes > 2_000 && n_instructions > 100_000, "{n_codes}, {n_instructions}");
}
