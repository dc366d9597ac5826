//! The symbolizer against binutils on compiled programs, and with debug information in every place it may be.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::elf_file::ElfFile;
use super::test_programs::{C, CPP, Program, RUST, binutils};
use super::*;

/// One that looks in a folder of the user's.
fn with_debug_folder(folder: &Path) -> Symbolizer {
    Symbolizer::with(Search { debug_folders: vec![folder.to_owned()], ..Search::default() }.into())
}

pub(super) const BIAS: u64 = 0x5555_5555_4000;

/// Every address of the functions named like `part` has the frames that binutils gives it.
fn agrees_with_binutils(program: &Program, part: &str) {
    let addresses = program.addresses_of(part);
    let expected = binutils(&program.path, &addresses);
    agrees_with(&mut Symbolizer::new(), &program.image(BIAS), &addresses, &expected);
}

/// All `addresses` of `image` have the frames that are expected, and nothing is in the way of any name.
pub(super) fn agrees_with(
    symbolizer: &mut Symbolizer,
    image: &ModuleImage,
    addresses: &[u64],
    expected: &[Vec<(String, String, u32)>],
) {
    let mut n_inlined = 0;
    for (&address, expected) in addresses.iter().zip(expected) {
        let found = frames_as_text(symbolizer, image, address);
        let as_names = |frames: &[(String, String, u32)]| -> Vec<(String, String, u32)> {
            frames.iter().map(|(name, file, line)| (comparable(name), file.clone(), *line)).collect()
        };
        assert_eq!(as_names(&found), as_names(expected), "{address:#x}");
        n_inlined += usize::from(found.len() > 1);
    }
    assert!(n_inlined > 0, "the program tests no inlining");
    assert_eq!(symbolizer.problems(), [""; 0]);
}

/// The name, of template functions without the parameters: see [`demangle`] on constructors.
///
/// Binutils does not tell inlined lambdas apart.
fn comparable(name: &str) -> String {
    if name.ends_with("}::operator()") {
        return "operator()".to_owned();
    }
    match name.split_once(">(") {
        Some((start, _)) => format!("{start}>"),
        None => name.to_owned(),
    }
}

fn frames_as_text(
    symbolizer: &mut Symbolizer,
    image: &ModuleImage,
    address: u64,
) -> Vec<(String, String, u32)> {
    let frames = symbolizer.frames(image, BIAS + address, true);
    let text = |frame: &Frame| {
        let function = frame.function.as_deref().unwrap_or("??").to_owned();
        (function, frame.filename.to_string(), frame.lineno)
    };
    frames.iter().map(text).collect()
}

/// The innermost frame of the first address of `outer` that has two others around it.
fn innermost_inlined(symbolizer: &mut Symbolizer, program: &Program, image: &ModuleImage) -> Option<Frame> {
    let addresses = program.addresses_of("outer");
    let mut found = addresses.iter().map(|address| symbolizer.frames(image, BIAS + address, true));
    found.find(|frames| frames.len() == 3).and_then(|frames| frames.into_iter().next())
}

fn c_program() -> Program {
    Program::build(C, &["gcc", "-g", "-O2"])
}

fn assert_finds_inner(symbolizer: &mut Symbolizer, program: &Program, image: &ModuleImage) {
    let frame = innermost_inlined(symbolizer, program, image).expect("inlined frames");
    assert_eq!((frame.function.as_deref(), frame.lineno), (Some("inner"), 3));
    assert!(frame.filename.ends_with("/program.c"), "{}", frame.filename);
    assert_eq!(symbolizer.problems(), [""; 0]);
}

#[test]
fn c_is_as_in_binutils() {
    for flags in [&["-O2"][..], &["-O2", "-gdwarf-4"], &["-O2", "-gz", "-static"]] {
        agrees_with_binutils(&Program::build(C, &[&["gcc", "-g"], flags].concat()), "outer");
    }
}

#[test]
fn cpp_is_as_in_binutils() {
    let program = Program::build(CPP, &["g++", "-g", "-O2"]);
    agrees_with_binutils(&program, "5Shelf");
    agrees_with_binutils(&program, "label");
}

#[test]
fn rust_is_as_in_binutils() {
    let program = Program::build(RUST, &["rustc", "-g", "-O"]);
    agrees_with_binutils(&program, "squares");
    agrees_with_binutils(&program, "weigh");
}

#[test]
fn a_return_address_belongs_to_the_call_before_it() {
    let program = c_program();
    let mut symbolizer = Symbolizer::new();
    let image = program.image(BIAS);
    for address in program.addresses_of("outer") {
        let exact = symbolizer.frames(&image, BIAS + address, true);
        assert_eq!(symbolizer.frames(&image, BIAS + address + 1, false), exact);
    }
}

#[test]
fn a_debug_link_is_followed_and_checked() {
    for places in ["program.debug", ".debug/program.debug"] {
        let program = c_program();
        program.run(&["mkdir", ".debug"]);
        program.run(&["objcopy", "--only-keep-debug", "program", places]);
        program.run(&["objcopy", "--strip-debug", &format!("--add-gnu-debuglink={places}"), "program"]);
        assert_finds_inner(&mut Symbolizer::new(), &program, &program.image(BIAS));
    }
}

#[test]
fn a_debug_link_of_another_build_is_refused() {
    let program = Program::build(C, &["gcc", "-g", "-O2", "-Wl,--build-id=none"]);
    program.run(&["objcopy", "--only-keep-debug", "program", "program.debug"]);
    program.run(&["objcopy", "--strip-debug", "--add-gnu-debuglink=program.debug", "program"]);
    assert_finds_inner(&mut Symbolizer::new(), &program, &program.image(BIAS));

    program.run(&["gcc", "-g", "-O1", "-Wl,--build-id=none", "program.c", "-o", "program.debug"]);
    let mut symbolizer = Symbolizer::new();
    assert!(innermost_inlined(&mut symbolizer, &program, &program.image(BIAS)).is_none());
    let problems = symbolizer.problems();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.contains("program.debug is not the debug information"), "{problem}");
}

#[test]
fn a_build_id_folder_serves_even_when_the_binary_is_gone() {
    let program = c_program();
    let image = program.image(BIAS);
    let (first, rest) = image.build_id.split_first().unwrap();
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = format!(".build-id/{first:02x}");
    program.run(&["mkdir", "-p", &folder]);
    program.run(&["objcopy", "--only-keep-debug", "program", &format!("{folder}/{rest}.debug")]);
    program.run(&["strip", "program"]);
    let mut symbolizer = with_debug_folder(program.folder.path());
    let frames = symbolizer.frames(&image, BIAS + 0x10, true);
    assert_eq!(frames.len(), 1);

    let unstripped = c_program();
    assert_finds_inner(&mut symbolizer, &unstripped, &image);
    fs::remove_file(&program.path).unwrap();
    let mut symbolizer = with_debug_folder(program.folder.path());
    assert_finds_inner(&mut symbolizer, &unstripped, &image);
}

#[test]
fn a_changed_binary_is_not_used() {
    let program = c_program();
    let image = program.image(BIAS);
    let address = program.addresses_of("outer")[0];
    program.run(&["gcc", "-g", "-O1", "-DCHANGED", "program.c", "-o", "program"]);
    let mut symbolizer = Symbolizer::new();
    let frames = symbolizer.frames(&image, BIAS + address, true);
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((&*frame.filename, frame.lineno), (&*format!("program+{address:#x}"), 0));
    assert!(frame.function.is_none());
    symbolizer.frames(&image, BIAS + address + 1, true);
    let problems = symbolizer.problems();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.contains("has changed since the recording (its build-id was"), "{problem}");
}

#[test]
fn without_line_information_the_symbol_is_named() {
    let program = Program::build(C, &["gcc", "-O2"]);
    let image = program.image(BIAS);
    let address = program.addresses_of("outer")[3];
    let frames = Symbolizer::new().frames(&image, BIAS + address, true);
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((&*frame.filename, frame.lineno), (&*format!("program+{address:#x}"), 0));
    assert_eq!(frame.function.as_deref(), Some("outer"));
    assert_eq!(frame.module_path(), Some(&*image.path));
}

#[test]
fn code_without_a_file_is_an_offset_and_no_problem() {
    let mut symbolizer = Symbolizer::new();
    let vdso = |name: &str| ModuleImage {
        path: name.to_owned(),
        build_id: Vec::new(),
        bias: 0x7fff_0000,
        start: 0x7fff_0000,
        end: 0x7fff_2000,
        ..ModuleImage::default()
    };
    let text = |frames: Vec<Frame>| frames.iter().map(|frame| frame.filename.to_string()).collect::<Vec<_>>();
    assert_eq!(text(symbolizer.frames(&vdso("[vdso]"), 0x7fff_0a31, false)), ["[vdso]+0xa30"]);
    assert_eq!(text(symbolizer.frames(&vdso(""), 0x7fff_0a31, true)), ["[unknown]+0xa31"]);
    assert_eq!(symbolizer.problems(), [""; 0]);
}

#[test]
fn damaged_files_yield_offsets_and_a_sentence() {
    let program = c_program();
    let image = program.image(BIAS);
    let whole = fs::read(&program.path).unwrap();
    for n_bytes in (0..whole.len()).step_by(97) {
        fs::write(&program.path, &whole[..n_bytes]).unwrap();
        assert!(!Symbolizer::new().frames(&image, BIAS + 0x1180, true).is_empty());
    }
    for place in (64..whole.len()).step_by(31) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0xff;
        fs::write(&program.path, &damaged).unwrap();
        assert!(!Symbolizer::new().frames(&image, BIAS + 0x1180, true).is_empty());
    }
    fs::write(&program.path, "not a program").unwrap();
    let mut symbolizer = Symbolizer::new();
    symbolizer.frames(&image, BIAS + 0x1180, true);
    assert!(symbolizer.problems()[0].starts_with("cannot read "), "{:?}", symbolizer.problems());
}

/// The functions at every address of those named like `part`, each once.
fn functions(program: &Program, part: &str) -> BTreeSet<String> {
    let mut symbolizer = Symbolizer::new();
    let image = program.image(BIAS);
    let addresses = program.addresses_of(part);
    let frames = addresses
        .iter()
        .flat_map(|address| symbolizer.frames(&image, BIAS + address, true))
        .collect::<Vec<_>>();
    frames.iter().filter_map(|frame| frame.function.as_deref().map(str::to_owned)).collect()
}

const LAMBDAS: (&str, &str) = (
    "lambdas.cc",
    "#include <cstdlib>\n\
     namespace app { struct Box { void *kept; void fill(int n) const; }; }\n\
     static void *volatile s;\n\
     template <class F> static inline __attribute__((always_inline)) void call(F f) { f(); }\n\
     void app::Box::fill(int n) const {\n\
     \tauto a = [&]() __attribute__((always_inline)) { s = malloc(1000 + n); };\n\
     \tcall(a);\n\
     \tcall([&]() __attribute__((always_inline)) { s = malloc(2000 + n); });\n\
     }\n\
     static __attribute__((noinline)) void *lam(unsigned long n) { return malloc(n); }\n\
     static __attribute__((noinline)) void *lam(char n) { return malloc(n); }\n\
     int main(int c, char **) { app::Box().fill(c); s = lam(3000ul * c); s = lam((char)c); return 0; }\n",
);

#[test]
fn lambdas_that_were_inlined_are_told_apart() {
    for compiler in
        [&["g++", "-g", "-O2"][..], &["g++", "-g", "-O2", "-gdwarf-4"], &["g++", "-g", "-O1", "-gz"]]
    {
        let found = functions(&Program::build(LAMBDAS, compiler), "Box4fill");
        for name in [
            "app::Box::fill(int) const::{lambda#1}::operator()",
            "app::Box::fill(int) const::{lambda#2}::operator()",
        ] {
            assert!(found.contains(name), "{compiler:?}: {found:?}");
        }
        assert!(!found.contains("operator()"), "{found:?}");
    }
}

/// As `-gmlt` of Clang, which has no symbols in its debug information.
#[test]
fn without_symbols_in_the_debug_information_the_symbol_table_tells_overloads_apart() {
    let program = Program::build(LAMBDAS, &["g++", "-g", "-O2"]);
    let found = functions(&program, "_ZL3lam");
    assert_eq!(found, BTreeSet::from(["lam(unsigned long)", "lam(char)"].map(str::to_owned)));
    let program = Program::build(LAMBDAS, &["g++", "-g1", "-O2"]);
    let found = functions(&program, "_ZL3lam");
    assert_eq!(found, BTreeSet::from(["lam(unsigned long)", "lam(char)"].map(str::to_owned)));
}

#[test]
fn parts_of_debug_information_that_are_gone_are_said() {
    let program = Program::build(C, &["gcc", "-g", "-O2", "-gsplit-dwarf"]);
    assert_finds_inner(&mut Symbolizer::new(), &program, &program.image(BIAS));
    let parts = fs::read_dir(program.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let parts: Vec<_> = parts.filter(|path| path.extension().is_some_and(|end| end == "dwo")).collect();
    assert_eq!(parts.len(), 1, "{parts:?}");
    fs::remove_file(&parts[0]).unwrap();
    let mut symbolizer = Symbolizer::new();
    assert!(innermost_inlined(&mut symbolizer, &program, &program.image(BIAS)).is_none());
    let problems = symbolizer.problems();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(
        problem.starts_with("parts of the debug information of ") && problem.contains("(1 of 1"),
        "{problem}"
    );
}

#[test]
fn a_program_that_was_built_again_without_a_build_id_is_noticed() {
    let command = ["gcc", "-g", "-O2", "-Wl,--build-id=none"];
    let program = Program::build(C, &command);
    let image = program.image(BIAS);
    let written = ElfFile::read(&program.path).unwrap().modified_ns;
    let recorded = ModuleImage { recorded_ns: written + 1, ..image.clone() };
    assert_finds_inner(&mut Symbolizer::new(), &program, &recorded);
    // The same addresses, but written later.
    let mut symbolizer = Symbolizer::new();
    let recorded = ModuleImage { recorded_ns: written - 1, ..image.clone() };
    innermost_inlined(&mut symbolizer, &program, &recorded).unwrap();
    assert!(symbolizer.problems()[0].contains("younger than the recording"), "{:?}", symbolizer.problems());
    // As large in memory, but other segments.
    let mut other = image.clone();
    other.segments[1].1 += 8;
    let mut symbolizer = Symbolizer::new();
    assert!(innermost_inlined(&mut symbolizer, &program, &other).is_none());
    assert!(symbolizer.problems()[0].contains("has changed since"), "{:?}", symbolizer.problems());
}

#[test]
fn debug_information_stands_beside_the_file_that_a_link_leads_to() {
    let program = c_program();
    let image = program.image(BIAS);
    program.run(&["mkdir", "-p", "real/.debug", "links"]);
    program.run(&["objcopy", "--only-keep-debug", "program", "real/.debug/program.debug"]);
    program.run(&[
        "objcopy",
        "--strip-debug",
        "--add-gnu-debuglink=real/.debug/program.debug",
        "program",
        "real/program.1",
    ]);
    program.run(&["ln", "-s", "../real/program.1", "links/program"]);
    let path = program.folder.path().join("links/program").display().to_string();
    assert_finds_inner(&mut Symbolizer::new(), &program, &ModuleImage { path, ..image });
}

#[test]
fn symbols_that_are_packed_into_a_stripped_file_are_found() {
    let program = Program::build(C, &["gcc", "-O2"]);
    let address = program.addresses_of("outer")[3];
    let image = program.image(BIAS);
    for (options, is_packed) in [(&[][..], true), (&["--check=crc32"], true), (&["--format=lzma"], false)] {
        program.run(&["objcopy", "-S", "--strip-all", "program", "stripped"]);
        program.run(&["cp", "program", "symbols"]);
        program.run(&[&["xz", "-f", "-k"][..], options, &["-S", ".packed", "symbols"]].concat());
        program.run(&["objcopy", "--add-section", ".gnu_debugdata=symbols.packed", "stripped", "packed"]);
        let path = program.folder.path().join("packed").display().to_string();
        let frames = Symbolizer::new().frames(&ModuleImage { path, ..image.clone() }, BIAS + address, true);
        assert_eq!(frames[0].function.as_deref() == Some("outer"), is_packed, "{options:?}: {frames:?}");
    }
}
