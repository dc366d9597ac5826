//! `docs/json.md` against what `--json` writes: every object has exactly the fields of its table, of the given types.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tm_analyzer::model::{Cumulative, Frame, KeyType, Origin, Sample, Sampling, Snapshot, Trace, Traceback};
use tm_analyzer::snapshot::{ModuleSymbols, Symbols};
use tm_analyzer::symbolize::{Attempt, Holds, Outcome, Source};
use tmtool::report::Report;
use tmtool::report::check::{Checked, Place, Verdict};
use tmtool::report::info::commands::{CommandInfo, CommandLists, MarkInfo};
use tmtool::report::info::interpreters::InterpreterInfo;
use tmtool::report::info::{DomainInfo, Info, LostEvents, MappingInfo, ModuleInfo, ProcessInfo, ThreadInfo};
use tmtool::report::leaks::Leaks;
use tmtool::report::parts::header::Summary;
use tmtool::report::peak::{Ascent, Peak};
use tmtool::report::programs::{ProgramInfo, Programs};
use tmtool::report::stats::Stats;
use tmtool::report::symbols::{Setting, SymbolsReport};
use tmtool::report::temporary::{Decade, Temporary};
use tmtool::report::timeline::{Point, Timeline};
use tmtool::report::top::Top;

/// The JSON of a report.
fn json(report: &dyn Report) -> String {
    let mut out = Vec::new();
    report.json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Object -> field -> type.
type Schema = BTreeMap<String, BTreeMap<String, String>>;

fn schema() -> Schema {
    let mut schema = Schema::new();
    let mut object = String::new();
    for line in include_str!("../../docs/json.md").lines() {
        if let Some(name) = line.strip_prefix("## ") {
            object = name.to_owned();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", field, kind, _, ""] = cells[..]
            && let Some(field) = field.strip_prefix('`').and_then(|field| field.strip_suffix('`'))
        {
            let fields = schema.entry(object.clone()).or_default();
            assert!(
                fields.insert(field.to_owned(), kind.to_owned()).is_none(),
                "{object}.{field} stands twice"
            );
        }
    }
    schema
}

/// What fields are marked with that stand in reports of samples alone.
const IF_SAMPLED: &str = " if sampled";

fn check(schema: &Schema, value: &Value, kind: &str, place: &str) {
    if let Some(kind) = kind.strip_suffix(" or null") {
        if !value.is_null() {
            check(schema, value, kind, place);
        }
    } else if let Some(item) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        let items = value.as_array().unwrap_or_else(|| panic!("{place} is no array"));
        items.iter().for_each(|value| check(schema, value, item, place));
    } else {
        match kind {
            "integer" => assert!(value.is_u64() || value.is_i64(), "{place} is no integer: {value}"),
            "number" => assert!(value.is_number(), "{place} is no number: {value}"),
            "string" => assert!(value.is_string(), "{place} is no string: {value}"),
            "boolean" => assert!(value.is_boolean(), "{place} is no boolean: {value}"),
            object => {
                let fields =
                    schema.get(object).unwrap_or_else(|| panic!("docs/json.md has no table {object}"));
                let object = value.as_object().expect(place);
                let is_there = |(field, kind): &(&String, &String)| {
                    !kind.ends_with(IF_SAMPLED) || object.contains_key(*field)
                };
                let expected = fields.iter().filter(is_there).collect::<Vec<_>>();
                let names = expected.iter().map(|(field, _)| *field);
                assert_eq!(
                    object.keys().collect::<Vec<_>>(),
                    names.collect::<Vec<_>>(),
                    "the fields of {place}"
                );
                expected.iter().for_each(|(field, kind)| {
                    let kind = kind.strip_suffix(IF_SAMPLED).unwrap_or(kind);
                    check(schema, &value[*field], kind, &format!("{place}.{field}"));
                });
            }
        }
    }
}

/// A snapshot with all that a frame and an origin may have.
fn write_snapshot(path: &Path, n_blocks: usize) {
    let mut frame = Frame::new("a.c", 3);
    frame.function = Some("f".into());
    frame.module = Some(tm_analyzer::model::ModuleFile::at("/bin/a"));
    let traceback = Traceback::new(vec![frame, Frame::new("main.c", 9)], Some(2));
    let mut snapshot = Snapshot::new(
        vec![Trace { domain: 0, size: 7, traceback, tag: Some("a".into()), sample: None }; n_blocks],
        16,
    );
    let texts = || vec!["a".to_owned()];
    snapshot.origin = Some(Origin { command_line: texts(), notes: texts(), ..Origin::default() });
    snapshot.dump(path).unwrap();
}

#[test]
fn stats_and_diff_are_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    write_snapshot(&folder.path().join("old.snap"), 1);
    write_snapshot(&folder.path().join("new.snap"), 3);
    for key in ["filename", "lineno", "function", "module", "traceback", "tag"] {
        for (report, files) in [("stats", &["new.snap"][..]), ("diff", &["old.snap", "new.snap"])] {
            let mut tmtool = Command::new(env!("CARGO_BIN_EXE_tmtool"));
            tmtool.current_dir(folder.path()).arg(report).args(files).args(["--json", "--key", key]);
            let output = tmtool.output().unwrap();
            let value: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(value["statistics"].as_array().unwrap().len(), 1);
            check(&schema(), &value, report, report);
        }
    }
}

/// What is estimated says how far it is from certain, and nothing does where all blocks were recorded.
#[test]
fn samples_are_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    write_snapshot(&folder.path().join("all.snap"), 3);
    let mut sampled = Snapshot::load(&folder.path().join("all.snap")).unwrap();
    for trace in &mut sampled.traces {
        trace.sample = Some(Sample { rate_log2: 19, rounds_up: false });
    }
    let sampling = Sampling { sample_bytes: 1 << 19, samples: 3, ..Sampling::default() };
    sampled.origin.as_mut().unwrap().sampling = Some(sampling);
    sampled.dump(&folder.path().join("samples.snap")).unwrap();
    for (files, has_samples) in
        [(["all.snap"; 2], false), (["samples.snap"; 2], true), (["all.snap", "samples.snap"], true)]
    {
        for (report, files) in [("stats", &files[1..]), ("diff", &files)] {
            let mut tmtool = Command::new(env!("CARGO_BIN_EXE_tmtool"));
            let words = ["--json", "--key", "traceback"];
            let output =
                tmtool.current_dir(folder.path()).arg(report).args(files).args(words).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let value: Value = serde_json::from_str(&text).unwrap();
            check(&schema(), &value, report, report);
            assert_eq!(text.contains("size_error"), has_samples, "{text}");
        }
    }
    let mut tmtool = Command::new(env!("CARGO_BIN_EXE_tmtool"));
    let output = tmtool.current_dir(folder.path()).args(["stats", "samples.snap"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Estimated from 3 samples at one per 512 KiB"), "{text}");
    assert!(text.contains("±160%"), "{text}");
}

#[test]
fn reports_on_events_are_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    write_snapshot(&folder.path().join("a.snap"), 3);
    let snapshot = Snapshot::load(&folder.path().join("a.snap")).unwrap();
    let (key_type, cumulative) = (KeyType::Lineno, Cumulative::Off);
    let profile = snapshot.profile();
    let statistics = profile.statistics(key_type, cumulative).unwrap();
    let stats = || {
        let snapshot = Summary::of(&profile);
        Stats { snapshot, key_type, cumulative, statistics: &statistics, limit: None }
    };
    let last = Some((7, "1 a".to_owned(), snapshot.traces[0].traceback.clone()));
    let ascent = Ascent { half_ns: 1, nine_tenths_ns: 2, last, end_bytes: 3 };
    let decade = |most| Decade { below_ns: Some(1_000), size: 7, count: 1, most };
    let decades = [decade(statistics.first().cloned()), Decade { below_ns: None, ..decade(None) }];
    let points = &[Point::default()];
    for (report, text) in [
        ("peak", json(&Peak { stats: stats(), ascent })),
        (
            "leaks",
            json(&Leaks {
                old: stats(),
                young: stats(),
                runtime: stats(),
                shows_runtime: false,
                young_after_ns: 1,
            }),
        ),
        ("temporary", json(&Temporary { stats: stats(), decades: &decades, from_ns: 0 })),
        ("timeline", json(&Timeline { points, from_ns: 0, until_ns: 1, stats: stats() })),
        ("top", json(&Top { stats: stats(), from_ns: 0 })),
    ] {
        check(&schema(), &serde_json::from_str(&text).unwrap(), report, report);
    }
}

#[test]
fn info_is_as_documented() {
    let text = String::new;
    let info = Info {
        lost_by_reason: vec![LostEvents { reason: text(), events: 1 }],
        mappings: Some(MappingInfo::default()),
        domains: vec![DomainInfo::default()],
        interpreter_list: vec![InterpreterInfo {
            process: 0,
            version: Some(text()),
            path: text(),
            frames: "read",
        }],
        process_list: vec![ProcessInfo::default()],
        thread_list: vec![ThreadInfo { thread: 0, process: 0, tid: 1, more: 0, name: text(), start_ns: 0 }],
        module_list: vec![ModuleInfo {
            process: 0,
            path: text(),
            build_id: text(),
            start: 0,
            end: 1,
            loaded_ns: 0,
            unloaded: false,
        }],
        commands: CommandLists {
            command_list: vec![CommandInfo {
                process: 0,
                kind: "start",
                at_ns: 0,
                n_frames: Some(1),
                from_outside: true,
            }],
            mark_list: vec![MarkInfo { process: 0, name: text(), at_ns: 0, from_outside: false }],
            tag_list: vec![text()],
        },
        ..Info::default()
    };
    check(&schema(), &serde_json::to_value(&info).unwrap(), "info", "info");
}

#[test]
fn symbols_are_as_documented() {
    let holds = Holds { symbols: true, ..Holds::default() };
    let attempt = Attempt { source: Source::File, path: "/x".into(), outcome: Outcome::Used(holds) };
    let module = ModuleSymbols {
        path: "/x".to_owned(),
        build_id: vec![1],
        is_generated: false,
        addresses: 3,
        functions: 2,
        lines: 1,
        attempts: vec![Attempt { outcome: Outcome::Missing, ..attempt.clone() }, attempt],
    };
    let problems = vec![String::new()];
    let symbols = Symbols { modules: vec![module], problems, ..Symbols::default() };
    let settings = [Setting { name: "sysroot", value: "/srv".to_owned(), by: "--sysroot".to_owned() }];
    let report = SymbolsReport { recording: "a", symbols: &symbols, settings: &settings };
    check(&schema(), &serde_json::from_str(&json(&report)).unwrap(), "symbols", "symbols");
}

#[test]
fn the_programs_of_a_folder_are_as_documented() {
    let program = ProgramInfo {
        command_line: vec![String::new()],
        problems: vec![String::new()],
        ..ProgramInfo::default()
    };
    let programs =
        Programs { program_list: vec![program], problems: vec![String::new()], ..Programs::default() };
    check(&schema(), &serde_json::to_value(&programs).unwrap(), "programs", "programs");
}

#[test]
fn the_verdict_of_a_check_is_as_documented() {
    let text = String::new;
    let place = Place { function: Some(text()), ..Place::default() };
    let limit = Checked {
        baseline: Some(1),
        growth: Some(text()),
        line: Some(2),
        places: vec![place],
        ..Checked::default()
    };
    let origin = Origin { notes: vec![text()], ..Origin::default() };
    let (unused, remarks) = (vec![text()], vec![text()]);
    let verdict = Verdict { origin, limits: vec![limit], unused, remarks, ..Verdict::default() };
    check(&schema(), &serde_json::from_str(&json(&verdict)).unwrap(), "check", "check");
}
