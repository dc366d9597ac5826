//! Each source of names (`docs/symbols.md`), with debug information in every place where it may be: the frames of all addresses of
//! a function are those that binutils' `addr2line -i` finds in the program as it was compiled.

use std::fs;
use std::path::{Path, PathBuf};

use super::attempt::{Attempt, Source};
use super::test_programs::{C, Program, binutils};
use super::tests::{BIAS, agrees_with};
use super::*;
use crate::text::hex;

/// A program, and what binutils says of it before anything was moved.
struct Known {
    program: Program,
    image: ModuleImage,
    addresses: Vec<u64>,
    expected: Vec<Vec<(String, String, u32)>>,
}

impl Known {
    fn new(flags: &[&str]) -> Known {
        let program = Program::build(C, &[&["gcc", "-g", "-O2"], flags].concat());
        let addresses = program.addresses_of("outer");
        let expected = binutils(&program.path, &addresses);
        Known { image: program.image(BIAS), addresses, expected, program }
    }

    /// A program whose debug information is in parts, of which binutils is asked as if it were not.
    fn in_parts(flags: &[&str]) -> Known {
        let whole = Known::new(flags);
        let parts = Program::build(C, &[&["gcc", "-g", "-O2", "-gsplit-dwarf"], flags].concat());
        let addresses = parts.addresses_of("outer");
        assert_eq!(addresses, whole.addresses, "the same code");
        // The folder is another one.
        let folder = |program: &Program| program.folder.path().display().to_string();
        let (old, new) = (folder(&whole.program), folder(&parts));
        let moved = |(name, file, line): (String, String, u32)| (name, file.replace(&old, &new), line);
        let expected =
            whole.expected.into_iter().map(|frames| frames.into_iter().map(moved).collect()).collect();
        Known { image: parts.image(BIAS), addresses, expected, program: parts }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.program.folder.path().join(path)
    }

    fn run(&self, command: &[&str]) {
        self.program.run(command);
    }

    /// Names are found at the places of `search`; returns where.
    fn is_named(&self, search: Search) -> Vec<Attempt> {
        let mut symbolizer = Symbolizer::with(search.into());
        agrees_with(&mut symbolizer, &self.image, &self.addresses, &self.expected);
        symbolizer.attempts(&self.image)
    }

    /// Inlined functions are not found at the places of `search`; returns what is said.
    fn is_not_named(&self, search: Search) -> Vec<String> {
        let mut symbolizer = Symbolizer::with(search.into());
        let frames = |address: &u64| symbolizer.frames(&self.image, BIAS + address, true);
        assert!(self.addresses.iter().map(frames).all(|frames| frames.len() == 1));
        symbolizer.problems()
    }

    /// Takes the debug information out, into `program.debug`, which the program names.
    fn strip(&self) {
        self.run(&["objcopy", "--only-keep-debug", "program", "program.debug"]);
        self.run(&["objcopy", "--strip-all", "--add-gnu-debuglink=program.debug", "program"]);
    }

    fn parts(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.program.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "dwo")).collect()
    }
}

/// The last place, which is used: why it was looked at, and the file.
fn used(attempts: &[Attempt]) -> (Source, &Path) {
    let used = attempts.iter().rfind(|attempt| attempt.is_used()).expect("one is used");
    (used.source, &used.path)
}

fn in_folder(folder: PathBuf) -> Search {
    Search { debug_folders: vec![folder], ..Search::default() }
}

#[test]
fn sections_are_unpacked() {
    for flags in [&["-gz=zlib"][..], &["-gz=zlib", "-gdwarf-4"], &["-gz=zlib", "-gdwarf-5"]] {
        let known = Known::new(flags);
        assert_eq!(used(&known.is_named(Search::default())), (Source::File, &*known.program.path));
    }
    let known = Known::new(&[]);
    let plain = fs::read(&known.program.path).unwrap();
    known.run(&["objcopy", "--compress-debug-sections=zstd", "program"]);
    assert_ne!(plain, fs::read(&known.program.path).unwrap());
    known.is_named(Search::default());
}

#[test]
fn a_link_to_debug_information_is_followed_wherever_debuggers_look() {
    let known = Known::new(&[]);
    known.strip();
    assert_eq!(used(&known.is_named(Search::default())), (Source::DebugLink, &*known.at("program.debug")));
    let in_debug_folder = format!("debug{}", known.program.folder.path().display());
    for folder in [".debug", "debug", &in_debug_folder] {
        known.run(&["mkdir", "-p", folder]);
        let place = known.at(folder).join("program.debug");
        fs::rename(known.at("program.debug"), &place).unwrap();
        let attempts = known.is_named(in_folder(known.at("debug")));
        assert_eq!(used(&attempts), (Source::DebugLink, &*place));
        fs::rename(&place, known.at("program.debug")).unwrap();
    }
}

#[test]
fn a_copy_in_a_folder_of_the_user_s_stands_for_a_program_that_is_gone() {
    let known = Known::new(&[]);
    known.run(&["mkdir", "-p", "copies"]);
    fs::rename(&known.program.path, known.at("copies/program")).unwrap();
    let said = known.is_not_named(Search::default());
    assert!(said[0].contains("is not here: its functions are shown as offsets"), "{said:?}");
    let attempts = known.is_named(in_folder(known.at("copies")));
    assert_eq!(used(&attempts), (Source::File, &*known.at("copies/program")));
    // Under its build-id, and another program under its name.
    let (first, rest) = known.image.build_id.split_first().unwrap();
    let name = format!("copies/.build-id/{first:02x}/{}", hex(rest));
    known.run(&["mkdir", "-p", &format!("copies/.build-id/{first:02x}")]);
    fs::rename(known.at("copies/program"), known.at(&name)).unwrap();
    fs::copy("/bin/true", known.at("copies/program")).unwrap();
    assert_eq!(used(&known.is_named(in_folder(known.at("copies")))), (Source::File, &*known.at(&name)));
}

#[test]
fn what_was_fetched_from_a_server_is_found_by_its_build_id() {
    let known = Known::new(&[]);
    known.strip();
    let folder = format!("cache/{}", hex(&known.image.build_id));
    known.run(&["mkdir", "-p", &folder]);
    fs::rename(known.at("program.debug"), known.at(&folder).join("debuginfo")).unwrap();
    let search = || Search { caches: vec![known.at("cache")], ..Search::default() };
    let place = known.at(&folder).join("debuginfo");
    assert_eq!(used(&known.is_named(search())), (Source::BuildId, &*place));
    fs::remove_file(&known.program.path).unwrap();
    assert_eq!(used(&known.is_named(search())), (Source::BuildId, &*place));
    // As a client leaves it when no server has the file.
    fs::write(&place, "").unwrap();
    known.is_not_named(search());
}

#[test]
fn another_root_folder_and_mapped_paths_are_looked_in() {
    let known = Known::new(&[]);
    known.strip();
    let folder = known.program.folder.path().to_owned();
    let root = tempfile::tempdir().unwrap();
    let there = root.path().join(folder.strip_prefix("/").unwrap());
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    // The library is a link there, that is absolute as seen from within.
    fs::create_dir_all(root.path().join("opt/app")).unwrap();
    std::os::unix::fs::symlink("/opt/app", &there).unwrap();
    fs::rename(known.at("program"), root.path().join("opt/app/program")).unwrap();
    let debug = root.path().join("usr/lib/debug/opt/app");
    fs::create_dir_all(&debug).unwrap();
    fs::rename(known.at("program.debug"), debug.join("program.debug")).unwrap();
    let sysroot = Search { sysroot: Some(root.path().to_owned()), ..Search::default() };
    assert_eq!(used(&known.is_named(sysroot)), (Source::DebugLink, &*debug.join("program.debug")));

    let moved = root.path().join("opt/app");
    fs::rename(debug.join("program.debug"), moved.join("program.debug")).unwrap();
    let mapped = Search { maps: vec![(folder, moved.clone())], ..Search::default() };
    assert_eq!(used(&known.is_named(mapped)), (Source::DebugLink, &*moved.join("program.debug")));
    known.is_not_named(Search::default());
}

#[test]
fn parts_are_found_where_they_were_made_beside_the_program_and_in_folders_of_the_user_s() {
    for flags in [&["-gdwarf-5"][..], &["-gdwarf-4"]] {
        let known = Known::in_parts(flags);
        let parts = known.parts();
        let [part] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!(used(&known.is_named(Search::default())), (Source::Part, &**part));
        known.run(&["mkdir", "-p", "parts"]);
        let moved = known.at("parts").join(part.file_name().unwrap());
        fs::rename(part, &moved).unwrap();
        let said = known.is_not_named(Search::default());
        assert!(said[0].starts_with("parts of the debug information of "), "{said:?}");
        assert_eq!(used(&known.is_named(in_folder(known.at("parts")))), (Source::Part, &*moved));
        let folder = part.parent().unwrap().to_owned();
        let mapped = Search { maps: vec![(folder.clone(), folder.join("parts"))], ..Search::default() };
        fs::copy(&known.program.path, folder.join("parts/program")).unwrap();
        assert_eq!(used(&known.is_named(mapped)), (Source::Part, &*moved));
    }
}

#[test]
fn a_file_with_all_parts_is_found_beside_the_program_even_where_the_rest_is_elsewhere() {
    let known = Known::in_parts(&["-gdwarf-4"]);
    known.run(&["dwp", "-e", "program", "-o", "program.dwp"]);
    let part = known.parts().remove(0);
    fs::remove_file(part).unwrap();
    assert_eq!(used(&known.is_named(Search::default())), (Source::Part, &*known.at("program.dwp")));
    known.strip();
    assert_eq!(used(&known.is_named(Search::default())), (Source::Part, &*known.at("program.dwp")));
    known.run(&["mkdir", "copies"]);
    fs::rename(known.at("program.dwp"), known.at("copies/program.dwp")).unwrap();
    let attempts = known.is_named(in_folder(known.at("copies")));
    assert_eq!(used(&attempts), (Source::Part, &*known.at("copies/program.dwp")));
}

#[test]
fn a_part_of_another_build_is_not_used() {
    let known = Known::in_parts(&["-gdwarf-5"]);
    let part = known.parts().remove(0);
    let part = part.file_name().unwrap().to_str().unwrap();
    known.run(&[
        "gcc",
        "-g",
        "-O1",
        "-DX=2",
        "-gsplit-dwarf",
        "-gdwarf-5",
        "-c",
        "program.c",
        "-o",
        "other.o",
    ]);
    known.run(&["mv", "other.dwo", part]);
    let said = known.is_not_named(Search::default());
    assert!(said[0].contains("(1 of 1, the first is"), "{said:?}");
}

#[test]
fn what_debug_information_shares_with_others_is_followed() {
    let known = Known::new(&[]);
    known.run(&["gcc", "-g", "-O2", "-DX=1", "program.c", "-o", "other"]);
    known.run(&["dwz", "-L1000000", "-m", "shared.debug", "-M", "shared.debug", "program", "other"]);
    let attempts = known.is_named(Search::default());
    let supplement =
        attempts.iter().find(|attempt| attempt.source == Source::Supplement).expect("dwz made one");
    assert!(supplement.is_used() && supplement.path.ends_with("shared.debug"), "{supplement:?}");
    // By its build-id.
    let id = super::elf_file::ElfFile::read(&known.at("shared.debug")).unwrap().build_id;
    let (first, rest) = id.split_first().unwrap();
    known.run(&["mkdir", "-p", &format!("d/.build-id/{first:02x}")]);
    let moved = known.at(&format!("d/.build-id/{first:02x}/{}.debug", hex(rest)));
    fs::rename(known.at("shared.debug"), &moved).unwrap();
    assert_eq!(used(&known.is_named(in_folder(known.at("d")))), (Source::Supplement, &*moved));
    let mut symbolizer = Symbolizer::new();
    symbolizer.frames(&known.image, BIAS + known.addresses[0], true);
    assert!(
        symbolizer.problems()[0].contains("which debug information refers to"),
        "{:?}",
        symbolizer.problems()
    );
}
