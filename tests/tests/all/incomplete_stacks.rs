//! No stack is wrong or ends early without a mark: code without unwind tables, with tables that cannot be searched, with
//! tables for debuggers only, and between frames. The mark is in the text, in the JSON, in snapshots and in headers.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tm_common::stack::{EndReason, FrameKind};
use tm_tests::exact_stacks::{assert_stacks_are_the_noted_ones, record, recorded_and_noted};
use tm_tests::products::products;
use tm_tests::programs::{compile, copy_program};
use tm_tests::run::{Outcome, Run};

const CHAIN: [&str; 2] = ["-O2", "-fomit-frame-pointer"];

/// A copy of an ELF file in `folder` whose `.eh_frame_hdr` says that it has no search table.
fn without_search_table(program: &Path, folder: &Path) -> PathBuf {
    const PT_GNU_EH_FRAME: u64 = 0x6474_e550;
    const DW_EH_PE_OMIT: u8 = 0xff;
    let mut elf = std::fs::read(program).expect("it was compiled");
    let number = |elf: &[u8], at: usize, len: usize| {
        elf[at..at + len].iter().rev().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte))
    };
    let (first, count) = (number(&elf, 32, 8) as usize, number(&elf, 56, 2) as usize);
    let header =
        (0..count).map(|place| first + 56 * place).find(|at| number(&elf, *at, 4) == PT_GNU_EH_FRAME);
    let at = number(&elf, header.expect("it has tables") + 8, 8) as usize;
    elf[at + 2..at + 4].fill(DW_EH_PE_OMIT);
    let (changed, copy) = (folder.join("changed"), folder.join("without_search_table"));
    std::fs::write(&changed, elf).expect("the scratch folder can be written");
    // First what may be executed, then what is to be in it.
    copy_program(program, &copy);
    copy_program(&changed, &copy);
    copy
}

#[test]
fn stacks_are_exact_by_a_table_that_cannot_be_searched() {
    let folder = tempfile::TempDir::with_prefix("tm-tables-").expect("the temporary folder can be written");
    let program = without_search_table(&compile("chain.c", &CHAIN), folder.path());
    let (recorded, notes) = recorded_and_noted(&Run::new(&program).args(["notes"]).env("TM_SELF_CHECK", "1"));
    assert_eq!(notes.list.len(), 50);
    assert!(notes.list.iter().all(|note| note.frames.len() >= 6), "libgcc has the whole stack");
    assert_stacks_are_the_noted_ones(&program, &recorded, &notes);
    assert_eq!(recorded.recording.header.self_check_differences, 0);
}

/// The same program linked without `.eh_frame_hdr`, and with its table for debuggers alone.
#[test]
#[cfg_attr(target_arch = "aarch64", ignore = "they go on there, by the C library's frame pointers")]
fn stacks_that_end_for_want_of_a_table_say_why() {
    let no_header = [&CHAIN[..], &["-Wl,--no-eh-frame-hdr"]].concat();
    let debug_frame = [&CHAIN[..], &["-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]].concat();
    for (flags, reason) in [(no_header, EndReason::NoTable), (debug_frame, EndReason::NoEntry)] {
        let (recorded, notes) = record(&compile("chain.c", &flags), &[]);
        assert_eq!(notes.list.len(), 50);
        for note in &notes.list {
            let allocation = recorded.last_of(note.block);
            let frames = recorded.frames(allocation);
            assert_eq!(frames.len(), 1, "{frames:?}");
            let doubts = recorded.recording.stacks.doubts(allocation.stack);
            assert_eq!(doubts.end, Some((reason, frames.first().copied())));
        }
    }
}

fn tmtool(arguments: &[&str]) -> String {
    let output = Command::new(&products().tmtool).args(arguments).output().expect("tmtool starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

fn recorded(source: &str, flags: &[&str]) -> (Outcome, String) {
    let outcome = Run::new(compile(source, flags)).recorded();
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let name = outcome.recording().display().to_string();
    (outcome, name)
}

/// The doubts and guessed functions of the first stack in a report's JSON, and the notes of its header.
fn marks(file: &str) -> (Vec<(String, String)>, Vec<String>, Vec<String>) {
    let text = tmtool(&["stats", file, "--key", "traceback", "--raw", "--json"]);
    let value: Value = serde_json::from_str(&text).expect("--json prints JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let first = &value["statistics"][0];
    let file_name = |path: String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let doubts = list(&first["doubts"])
        .iter()
        .map(|doubt| (text(&doubt["kind"]), file_name(text(&doubt["module"]))))
        .collect();
    let guessed = list(&first["traceback"]);
    let guessed =
        guessed.iter().filter(|frame| frame["guessed"] == true).map(|frame| text(&frame["function"]));
    let notes = list(&value["snapshot"]["origin"]["notes"]).iter().map(text).collect();
    (doubts, guessed.collect(), notes)
}

#[test]
#[cfg_attr(target_arch = "aarch64", ignore = "they go on there, by the C library's frame pointers")]
fn incomplete_stacks_are_marked_in_every_form_and_counted() {
    let (outcome, file) = recorded("chain.c", &[&CHAIN[..], &["-Wl,--no-eh-frame-hdr"]].concat());
    let sentence = "of the bytes have stacks that end in chain, which has no unwind table.";
    for report in ["stats", "peak", "leaks", "top"] {
        let text = tmtool(&[report, &file]);
        assert!(
            text.lines().any(|line| line.starts_with("Note: ") && line.ends_with(sentence)),
            "{report}: {text}"
        );
    }
    let snapshot = outcome.folder().join("chain.snap").display().to_string();
    tmtool(&["filter", &file, "-o", &snapshot]);
    for file in [&file, &snapshot] {
        let text = tmtool(&["stats", file, "--key", "traceback", "--limit", "1"]);
        let line = "  (this is not the outermost frame: such stacks end in chain, which has no unwind table)";
        assert!(text.lines().any(|found| found == line), "{text}");
        let (doubts, guessed, notes) = marks(file);
        assert_eq!(doubts, [("no_table".to_owned(), "chain".to_owned())]);
        assert!(guessed.is_empty(), "{guessed:?}");
        assert_eq!(notes.iter().filter(|note| note.ends_with(sentence)).count(), 1, "{notes:?}");
    }
}

#[test]
fn guessed_frames_are_marked_in_every_form_and_counted() {
    let (outcome, file) = recorded("frameless.c", &["-O1", "-g", "-fno-omit-frame-pointer"]);
    let snapshot = outcome.folder().join("frameless.snap").display().to_string();
    tmtool(&["filter", &file, "-o", &snapshot]);
    for file in [&file, &snapshot] {
        let text = tmtool(&["stats", file, "--key", "traceback", "--limit", "1", "--raw"]);
        let marked = text.lines().filter(|line| line.ends_with(" (guessed)")).count();
        assert!(marked >= 2 && text.contains(", in outer (guessed)\n"), "{text}");
        assert!(text.contains(", in frameless\n"), "what called the allocator's caller is certain: {text}");
        let (doubts, guessed, notes) = marks(file);
        assert_eq!(doubts, [("guessed".to_owned(), "frameless".to_owned())]);
        assert!(guessed.iter().any(|function| function == "outer"), "{guessed:?}");
        assert!(
            !guessed.iter().any(|function| function == "frameless" || function == "allocates"),
            "{guessed:?}"
        );
        let sentence =
            "of the bytes have stacks that are guessed beyond frameless, for want of an unwind table.";
        assert!(notes.iter().any(|note| note.ends_with(sentence)), "{notes:?}");
    }
}

/// Whole stacks are not marked: a mark that is always there says nothing.
#[test]
fn whole_stacks_have_no_mark() {
    let (_outcome, file) = recorded("chain.c", &CHAIN);
    let (doubts, guessed, notes) = marks(&file);
    assert!(doubts.is_empty() && guessed.is_empty(), "{doubts:?} {guessed:?}");
    assert!(!notes.iter().any(|note| note.contains("stacks that")), "{notes:?}");
}

/// A cut keeps the innermost frames and the mark of the end, which is none of the frames left out.
#[test]
fn the_end_of_a_cut_stack_is_known() {
    let flags = ["-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-omit-frame-pointer"];
    let run = Run::new(compile("guessed.c", &flags)).args(["notes"]);
    let (whole, notes) = recorded_and_noted(&run);
    let (cut, notes_of_cut) = recorded_and_noted(&run.clone().env("TM_NFRAME", "2"));
    let depth = |recorded: &tm_tests::recorded::Recorded, block: u64| {
        let stack = recorded.recording.stack(recorded.last_of(block).stack).expect("it has one");
        (stack.total_depth(), stack.clone().filter(|frame| frame.kind == FrameKind::Guessed).count())
    };
    let (whole_depth, n_guessed) = depth(&whole, notes.list[0].block);
    let (cut_depth, n_guessed_of_cut) = depth(&cut, notes_of_cut.list[0].block);
    assert_eq!(whole_depth, cut_depth);
    assert!(n_guessed > n_guessed_of_cut && n_guessed_of_cut == 1);
    let end = |recorded: &tm_tests::recorded::Recorded, block| {
        recorded.recording.stacks.doubts(recorded.last_of(block).stack).end.map(|(reason, _)| reason)
    };
    assert_eq!(end(&whole, notes.list[0].block), end(&cut, notes_of_cut.list[0].block));
}
