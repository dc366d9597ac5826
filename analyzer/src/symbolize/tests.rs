//! The symbolizer against binutils on compiled programs, and with debug information in every place it may be.

use std::fs;

use super::test_programs::{C, CPP, Program, RUST, binutils};
use super::*;

const BIAS: u64 = 0x5555_5555_4000;

/// Every address of the functions named like `part` has the frames that binutils gives it.
fn agrees_with_binutils(program: &Program, part: &str) {
    let addresses = program.addresses_of(part);
    let expected = binutils(&program.path, &addresses);
    let mut symbolizer = Symbolizer::new();
    let mut n_inlined = 0;
    for (&address, expected) in addresses.iter().zip(&expected) {
        let found = frames_as_text(&mut symbolizer, program, address);
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
fn comparable(name: &str) -> String {
    match name.split_once(">(") {
        Some((start, _)) => format!("{start}>"),
        None => name.to_owned(),
    }
}

fn frames_as_text(
    symbolizer: &mut Symbolizer,
    program: &Program,
    address: u64,
) -> Vec<(String, String, u32)> {
    let frames = symbolizer.frames(&program.image(BIAS), BIAS + address, true);
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
    let [problem] = symbolizer.problems() else { panic!("{:?}", symbolizer.problems()) };
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
    let mut symbolizer = Symbolizer::with_debug_folder(program.folder.path());
    let frames = symbolizer.frames(&image, BIAS + 0x10, true);
    assert_eq!(frames.len(), 1);

    let unstripped = c_program();
    assert_finds_inner(&mut symbolizer, &unstripped, &image);
    fs::remove_file(&program.path).unwrap();
    let mut symbolizer = Symbolizer::with_debug_folder(program.folder.path());
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
    let [problem] = symbolizer.problems() else { panic!("{:?}", symbolizer.problems()) };
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
    assert_eq!(frame.module.as_deref(), Some(&*image.path));
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
