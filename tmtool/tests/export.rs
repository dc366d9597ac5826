//! `tmtool export` as a user runs it, on `.snap` files: what is written, and what is refused.

mod snapshots;

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io};

use snapshots::{failure, folder, stdout, tmtool};
use tm_analyzer::model::Counted;
use tm_analyzer::request::{Recorded, Request};
use tm_common::event::Event;
use tm_common::functions::Function;
use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};
use tm_common::sampling::SampleRate;
use tmtool::export::measure::Measure;
use tmtool::export::{Events, FORMATS, Sites, Writer};

#[test]
fn the_file_is_called_as_the_one_that_is_read() {
    let folder = folder();
    let text = stdout(folder.path(), &["export", "folded", "new.snap"]);
    assert!(text.starts_with("new.folded: 1007 B live"), "{text}");
    let written = fs::read_to_string(folder.path().join("new.folded")).unwrap();
    assert_eq!(written, "main.c;src/a.c 1007\n");
    assert_eq!(stdout(folder.path(), &["export", "folded", "new.snap", "-o", "-"]), written);
    // An older export is replaced.
    stdout(folder.path(), &["export", "folded", "old.snap", "-o", "new.folded", "--measure", "live-blocks"]);
    let written = fs::read_to_string(folder.path().join("new.folded")).unwrap();
    assert_eq!(written, "main.c;src/a.c 1\nmain.c;src/b.c 1\n");
}

#[test]
fn an_older_export_is_replaced() {
    let folder = folder();
    let formats = ["pprof", "speedscope", "svg", "folded", "callgrind"];
    for format in formats {
        let written = |of: &str| {
            let line = stdout(folder.path(), &["export", format, of, "-o", format]);
            assert!(line.starts_with(format), "{line}");
            fs::read(folder.path().join(format)).unwrap()
        };
        let (old, new) = (written("old.snap"), written("new.snap"));
        assert!(old != new, "{format}");
    }
}

/// heaptrack's data have a line for each call, and a sample is one, whatever it stands for.
#[test]
fn what_is_made_of_samples_says_so() {
    let folder = folder();
    let mut builder = tm_testing::RecordingBuilder::with_process();
    builder.sample_rate = SampleRate::of_bytes(1 << 20).unwrap();
    let (function, address, stack) = (Function::Malloc, Address(0x1000), StackId::NONE);
    let event = Event::Allocate { function, address, size: 100, stack, stamp: Stamp(10) };
    builder.event(ProcessIndex(0), 0, &event);
    fs::copy(builder.file().path(), folder.path().join("r.bin")).unwrap();
    for (format, is_by_calls) in [("heaptrack", true), ("massif", false)] {
        let output = tmtool(folder.path(), &["export", format, "r.bin", "-o", format]);
        assert!(output.status.success(), "{output:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.contains("These are estimates: one sample per 1024 KiB was recorded"), "{line}");
        assert_eq!(line.contains("calls are counted by samples"), is_by_calls, "{line}");
    }
}

/// What reports say below their headers: of sums by site and of events.
#[test]
fn what_is_missing_is_said() {
    let folder = folder();
    let mut builder = tm_testing::RecordingBuilder::with_process();
    let (function, address, stack) = (Function::Malloc, Address(0x1000), StackId::NONE);
    let event = Event::Allocate { function, address, size: 100, stack, stamp: Stamp(10) };
    builder.event(ProcessIndex(0), 0, &event);
    builder.garbage(ProcessIndex(0), 0, &[0; 100]);
    fs::copy(builder.file().path(), folder.path().join("r.bin")).unwrap();
    let report = stdout(folder.path(), &["stats", "r.bin"]);
    let said: Vec<&str> = report.lines().filter(|line| line.starts_with("Note: ")).collect();
    assert!(!said.is_empty(), "{report}");
    for format in ["folded", "pprof", "callgrind", "massif", "heaptrack"] {
        let output = tmtool(folder.path(), &["export", format, "r.bin", "-o", format]);
        assert!(output.status.success(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        for line in &said {
            assert!(stderr.lines().any(|it| it == format!("tmtool: {line}")), "{format}: {line}\n{stderr}");
        }
    }
}

/// Each is refused with a sentence that says what to do, and nothing is written.
#[test]
fn what_cannot_be_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("notes.txt"), "mine\n").unwrap();
    symlink("notes.txt", folder.path().join("link.folded")).unwrap();
    let recording = tm_testing::RecordingBuilder::with_process().file();
    fs::copy(recording.path(), folder.path().join("r.bin")).unwrap();
    let packed = flate2::read::GzEncoder::new(fs::File::open(recording.path()).unwrap(), Default::default());
    io::copy(&mut { packed }, &mut fs::File::create(folder.path().join("r.pb.gz")).unwrap()).unwrap();
    fs::write(folder.path().join("logo.svg"), "<?xml version=\"1.0\"?><svg></svg>").unwrap();
    fs::write(folder.path().join("count.txt"), "total 12\nmine\n").unwrap();
    let files = || {
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = entries.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
        all.sort();
        all
    };
    let before = files();
    for (arguments, code, says) in [
        (&["folder", "new.snap"][..], 2, "similar value exists: 'folded'"),
        (&["folded", "none.snap"], 1, "none.snap"),
        (&["folded", "notes.txt"], 1, "notes.txt"),
        (&["folded", "new.snap@50%"], 2, "leave the moment out, or give the recording"),
        (&["folded", "r.bin@mark:x"], 1, "has no mark 'x'"),
        (&["folded", "new.snap", "--measure", "allocations"], 2, "give the recording"),
        (&["folded", "new.snap", "--process", "all"], 2, "knows no processes"),
        (&["folded", "r.bin", "--between", "0..end", "--churn"], 2, "--measure freed-bytes"),
        (&["folded", "new.snap", "old.snap"], 2, "tmtool export svg OLD NEW"),
        (&["folded", "new.snap", "-o", "new.snap"], 2, "is the file that is read"),
        (&["folded", "new.snap", "-o", "old.snap"], 2, "a recording or a snapshot"),
        (&["folded", "new.snap", "-o", "old.snap", "--force"], 2, "a recording or a snapshot"),
        (&["folded", "new.snap", "-o", "r.bin", "--force"], 2, "a recording or a snapshot"),
        (&["folded", "new.snap", "-o", "notes.txt"], 2, "no older export"),
        (&["folded", "new.snap", "-o", "count.txt"], 2, "no older export"),
        (&["pprof", "new.snap", "-o", "r.pb.gz"], 2, "no older export"),
        (&["svg", "new.snap", "-o", "logo.svg"], 2, "no older export"),
        (&["folded", "new.snap", "-o", "link.folded"], 2, "no older export"),
        (&["folded", "new.snap", "-o", "no/such/folder.folded"], 1, "cannot write to no/such/folder.folded"),
    ] {
        let (found, stderr) = failure(folder.path(), &[&["export"], arguments].concat());
        assert_eq!(found, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
    assert_eq!(files(), before);
    stdout(folder.path(), &["export", "folded", "new.snap", "-o", "notes.txt", "--force"]);
}

/// How often reading was done where progress is shown.
static N_SHOWN: AtomicU32 = AtomicU32::new(0);

/// Every format reads the recording's events where it is shown how far that is.
#[test]
fn every_format_shows_how_far_it_is() {
    let mut builder = tm_testing::RecordingBuilder::with_process();
    let (function, address, stack) = (Function::Malloc, Address(0x1000), builder.node(StackId::NONE, 0x10));
    let event = Event::Allocate { function, address, size: 100, stack, stamp: Stamp(10) };
    builder.event(ProcessIndex(0), 0, &event);
    let (file, folder) = (builder.file(), tempfile::tempdir().unwrap());
    let mut request = Request::of(file.path());
    request.during = |_, read| {
        // Nothing else is published with it.
        N_SHOWN.fetch_add(1, Ordering::Relaxed);
        read();
    };
    for format in FORMATS {
        let before = N_SHOWN.load(Ordering::Relaxed);
        let output = folder.path().join(format.name);
        let events = |recorded: &Recorded, write: &dyn Fn(&Events<'_>)| {
            write(&Events { recorded, grouping: &request.grouping, output: &output });
        };
        match format.write {
            Writer::Sites(write) | Writer::Difference(write) => {
                let activity = request.activity(Counted::ALL).unwrap();
                let sites = Sites { activity: &activity, before: None, measure: Measure::LiveBytes };
                write(&sites, &mut io::sink()).unwrap();
            }
            Writer::Events(write) => {
                let recorded = request.open().unwrap();
                let opened = N_SHOWN.load(Ordering::Relaxed);
                events(&recorded, &|events| assert!(write(events, &mut io::sink()).is_ok()));
                assert!(N_SHOWN.load(Ordering::Relaxed) > opened, "{}", format.name);
            }
            Writer::Folder(write) => {
                let recorded = request.open().unwrap();
                let opened = N_SHOWN.load(Ordering::Relaxed);
                events(&recorded, &|events| assert!(write(events, &output).is_ok()));
                assert!(N_SHOWN.load(Ordering::Relaxed) > opened, "{}", format.name);
            }
        }
        assert!(N_SHOWN.load(Ordering::Relaxed) > before, "{}", format.name);
    }
}
