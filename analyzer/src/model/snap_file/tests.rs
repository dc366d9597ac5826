//! Claims on snapshot files: what goes in comes out, and anything else is an error.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::model::{Doubt, DoubtKind, Frame, ModuleFile, Origin, Sample, Trace, Traceback};
use tm_common::stack::FrameKind;

fn trace(domain: u32, size: u64, traceback: Traceback) -> Trace {
    Trace { domain, size, traceback, tag: None, sample: None }
}

fn snapshot() -> Snapshot {
    let mut frame = Frame::new("src/a.c", 3);
    frame.function = Some("main".into());
    frame.module = Some(crate::model::ModuleFile::at("/bin/a"));
    let shared = Traceback::new(vec![Frame::new("lib.c", 7), frame], Some(9));
    let traces = vec![
        trace(0, 10, shared.clone()),
        trace(7, u64::MAX, shared),
        trace(0, 1, Traceback::new(vec![Frame::new("lib.c", 7)], None)),
        trace(0, 1, Traceback::new(vec![], None)),
    ];
    let origin = Origin { program: "a".to_owned(), live_bytes: 42, ..Origin::default() };
    Snapshot { traces, traceback_limit: 16, origin: Some(origin) }
}

fn in_folder(test: impl Fn(PathBuf)) {
    let folder = tempfile::tempdir().unwrap();
    test(folder.path().join("a.snap"));
}

#[test]
fn what_is_dumped_is_loaded_with_functions_and_shared_tracebacks() {
    in_folder(|path| {
        snapshot().dump(&path).unwrap();
        assert!(is_snap_file(&path).unwrap());
        let loaded = Snapshot::load(&path).unwrap();
        assert_eq!(loaded, snapshot());
        assert_eq!(loaded.traces[0].traceback.identity(), loaded.traces[1].traceback.identity());
        let oldest = &loaded.traces[0].traceback.frames()[0];
        assert_eq!((oldest.function.as_deref(), oldest.module_path()), (Some("main"), Some("/bin/a")));
    });
}

#[test]
fn labels_are_kept_and_files_without_any_are_as_they_were() {
    in_folder(|path| {
        snapshot().dump(&path).unwrap();
        let body = fs::read(&path).unwrap()[HEADER_BYTES..].to_vec();
        assert!(!body.windows(4).any(|bytes| bytes == b"tags"));
        let mut tagged = snapshot();
        tagged.traces[0].tag = Some("request".into());
        // As its file, which has its name.
        tagged.traces[3].tag = Some("lib.c".into());
        tagged.dump(&path).unwrap();
        let loaded = Snapshot::load(&path).unwrap();
        assert_eq!(loaded, tagged);
        assert_ne!(loaded, snapshot());
    });
}

#[test]
fn where_code_is_is_kept_and_files_that_do_not_say_it_are_as_they_were() {
    in_folder(|path| {
        snapshot().dump(&path).unwrap();
        let body = fs::read(&path).unwrap()[HEADER_BYTES..].to_vec();
        assert!(!body.windows(4).any(|bytes| bytes == b"code"));
        let file =
            |build_id: &[u8]| ModuleFile { build_id: build_id.into(), ..(*ModuleFile::at("/bin/a")).clone() };
        let frame = |kind, address, build_id| Frame {
            kind,
            address,
            module: Some(file(build_id).into()),
            ..Frame::new("a.c", 3)
        };
        // Two builds of one path, and frames that differ in their addresses alone.
        let frames = vec![
            frame(FrameKind::Interrupted, Some(0x10), &[1, 2]),
            frame(FrameKind::Guessed, Some(u64::MAX), &[3]),
            frame(FrameKind::Return, Some(0x10), &[1, 2]),
            frame(FrameKind::Return, None, &[]),
        ];
        let known = |frame: &Frame| (frame.kind, frame.address, frame.module.clone());
        let expected: Vec<_> = frames.iter().rev().map(known).collect();
        let traces = vec![trace(0, 1, Traceback::new(frames, None))];
        Snapshot::new(traces, 16).dump(&path).unwrap();
        let loaded = Snapshot::load(&path).unwrap();
        let found: Vec<_> = loaded.traces[0].traceback.frames().iter().map(|frame| known(frame)).collect();
        assert_eq!(found, expected);
    });
}

#[test]
fn python_frames_and_interpreters_are_kept() {
    in_folder(|path| {
        snapshot().dump(&path).unwrap();
        let body = fs::read(&path).unwrap()[HEADER_BYTES..].to_vec();
        assert!(!body.windows(12).any(|bytes| bytes == b"interpreters"));
        let file = |is_interpreter| ModuleFile { is_interpreter, ..(*ModuleFile::at("/bin/python")).clone() };
        let native = |line, is_interpreter| Frame {
            module: Some(file(is_interpreter).into()),
            ..Frame::new("ceval.c", line)
        };
        let python = Frame {
            kind: FrameKind::Python,
            function: Some("f.<locals>.g".into()),
            ..Frame::new("/a.py", 7)
        };
        let frames = vec![native(1, true), python, native(2, true), native(1, false)];
        let doubt = Doubt { kind: DoubtKind::PythonPlace, module: None };
        let traceback = Traceback::new(frames, Some(5)).with_doubts(vec![doubt.clone()]);
        Snapshot::new(vec![trace(0, 1, traceback)], 16).dump(&path).unwrap();
        let loaded = Snapshot::load(&path).unwrap();
        let traceback = &loaded.traces[0].traceback;
        let known = |frame: &Frame| (frame.lineno, frame.is_python(), frame.is_interpreter());
        let found: Vec<_> = traceback.frames().iter().map(|frame| known(frame)).collect();
        assert_eq!(found, [(1, false, false), (2, false, true), (7, true, false), (1, false, true)]);
        assert!(traceback.has_python());
        assert_eq!(traceback.doubts(), [doubt]);
    });
}

#[test]
fn equal_traces_cost_a_few_bytes_each() {
    in_folder(|path| {
        let mut many = snapshot();
        many.traces = vec![many.traces[0].clone(); 10_000];
        many.dump(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 50_000);
    });
}

#[test]
fn every_cut_and_every_changed_byte_is_an_error_that_names_the_file() {
    in_folder(|path| {
        snapshot().dump(&path).unwrap();
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            let error = Snapshot::load(&path).unwrap_err().to_string();
            assert!(error.contains("a.snap"), "{error}");
        }
        for index in (0..good.len()).filter(|index| !(12..16).contains(index)) {
            let mut bad = good.clone();
            bad[index] ^= 0x11;
            fs::write(&path, &bad).unwrap();
            assert!(Snapshot::load(&path).is_err(), "byte {index}");
        }
        fs::write(&path, [good.as_slice(), b"x"].concat()).unwrap();
        assert!(Snapshot::load(&path).unwrap_err().to_string().contains("damaged"));
    });
}

/// What knows no samples must not take them for all blocks: it refuses the version.
#[test]
fn samples_come_back_and_are_of_a_version_of_their_own() {
    in_folder(|path| {
        let mut sampled = snapshot();
        let samples = [(19, false), (40, true)].map(|(rate_log2, rounds_up)| Sample { rate_log2, rounds_up });
        for (trace, sample) in sampled.traces.iter_mut().zip([None, Some(samples[0]), Some(samples[1])]) {
            trace.sample = sample;
        }
        sampled.dump(&path).unwrap();
        assert_eq!((fs::read(&path).unwrap()[8], Snapshot::load(&path).unwrap()), (2, sampled));
        snapshot().dump(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap()[8], 1);
    });
}

#[test]
fn a_newer_version_says_so() {
    in_folder(|path| {
        snapshot().dump(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] = 3;
        fs::write(&path, bytes).unwrap();
        let error = Snapshot::load(&path).unwrap_err();
        assert!(matches!(error, Error::OtherSnapshotVersion { found: 3, known: 2, .. }), "{error}");
    });
}

/// A file whose checksum is right and whose body is `body`.
fn forged(body: &[u8]) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &VERSION.to_le_bytes(), &[0; 4]].concat();
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(fnv1a(body).to_le_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn hostile_bodies_are_errors_and_cost_nothing() {
    // A map with "strings" of 2^32 - 1 strings; an array of 2^32 - 1 items; deep nesting; a string of 4 GiB.
    let strings = [&b"\x81\xa7strings"[..], b"\xdd\xff\xff\xff\xff"].concat();
    let deep = vec![0x91; 100_000];
    // The same in a field that is not known, which is passed over level by level.
    let deep_field = [&b"\x81\xa1x"[..], &deep].concat();
    for body in
        [&strings[..], b"\xdd\xff\xff\xff\xff", &deep, &deep_field, b"\x81\xdb\xff\xff\xff\xff", b"", b"\xc1"]
    {
        in_folder(|path| {
            fs::write(&path, forged(body)).unwrap();
            let error = Snapshot::load(&path).unwrap_err().to_string();
            assert!(error.contains("not valid"), "{error}");
        });
    }
}

#[test]
fn places_outside_of_the_tables_are_errors() {
    let body = |frames: &[(u32, u32, Option<u32>, Option<u32>)], tracebacks: &[(Vec<u32>, Option<u32>)]| {
        // Field by field, as a map.
        rmp_serde::to_vec_named(&serde_json::json!({
            "traceback_limit": 1, "origin": null, "strings": ["a"],
            "frames": frames, "tracebacks": tracebacks, "traces": [[0, 1, 1]],
        }))
        .unwrap()
    };
    let tagged = |tags: &[u32]| {
        rmp_serde::to_vec_named(&serde_json::json!({
            "traceback_limit": 1, "origin": null, "strings": ["a"], "frames": [],
            "tracebacks": [[[], null]], "traces": [[0, 1, 0]], "tags": tags,
        }))
        .unwrap()
    };
    for (body, what) in [
        (body(&[(1, 1, None, None)], &[]), "string 1 of 1"),
        (body(&[(0, 1, Some(9), None)], &[]), "string 9 of 1"),
        (body(&[], &[(vec![0], None)]), "frame 0 of 0"),
        (body(&[(0, 1, None, None)], &[(vec![0], None)]), "traceback 1 of 1"),
        (tagged(&[2]), "string 1 of 1"),
        (tagged(&[1, 1]), "2 labels for 1 traces"),
    ] {
        in_folder(|path| {
            fs::write(&path, forged(&body)).unwrap();
            let error = Snapshot::load(&path).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        });
    }
}

#[test]
fn a_forged_body_with_any_byte_changed_is_read_or_refused() {
    in_folder(|path| {
        snapshot().dump(&path).unwrap();
        let good = fs::read(&path).unwrap()[HEADER_BYTES..].to_vec();
        for index in 0..good.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut body = good.clone();
                body[index] ^= change;
                fs::write(&path, forged(&body)).unwrap();
                if let Ok(loaded) = Snapshot::load(&path) {
                    // What is accepted can be worked with.
                    loaded.dump(&path).unwrap();
                }
            }
        }
    });
}
