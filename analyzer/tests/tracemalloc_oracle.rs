//! CPython's own `tracemalloc` as an oracle: random snapshots go through its `Snapshot` class and through ours, and
//! every result must be the same text in the same order. Without a python3 of 3.9 or later there is nothing to compare.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tm_analyzer::model::{
    BaseFilter, Cumulative, DomainFilter, Filter, Frame, KeyType, Snapshot, Trace, Traceback,
};

const N_CASES: u64 = 1_500;
const PYTHON_IS_RECENT: &str = "import sys, tracemalloc; sys.exit(sys.version_info < (3, 9))";

#[test]
fn random_snapshots_give_cpythons_results() {
    if !Command::new("python3").args(["-c", PYTHON_IS_RECENT]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no python3 of 3.9 or later");
        return;
    }
    let cases: Vec<Value> = (0..N_CASES).map(|seed| Cases(tm_testing::Random::new(seed)).case()).collect();
    let answers = ask_cpython(&cases);
    assert_eq!(answers.len(), cases.len());
    for (case, expected) in cases.iter().zip(&answers) {
        let ours = answer(case);
        for (what, expected) in expected.as_object().unwrap() {
            let difference = first_difference(&ours[what], expected);
            assert!(difference.is_none(), "{what}: (ours, CPython's) {difference:#?} of {case}");
        }
    }
}

/// The innermost values that differ: a whole case is too long to look at.
fn first_difference(ours: &Value, expected: &Value) -> Option<(Value, Value)> {
    match (ours, expected) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).find_map(|(a, b)| first_difference(a, b))
        }
        _ => (ours != expected).then(|| (ours.clone(), expected.clone())),
    }
}

fn ask_cpython(cases: &[Value]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tracemalloc_oracle.py");
    let mut python = Command::new("python3")
        .arg(script)
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the Python script answers, from our library.
fn answer(case: &Value) -> Value {
    let (old, new) = (snapshot(&case["old"]), snapshot(&case["new"]));
    let filters: Vec<Box<dyn BaseFilter>> = case["filters"].as_array().unwrap().iter().map(filter).collect();
    let all: Vec<&dyn BaseFilter> = filters.iter().map(|filter| &**filter).collect();
    let filtered = new.filter_traces(&all);
    let reprs =
        |snapshot: Snapshot| snapshot.traces.iter().map(|trace| format!("{trace:?}")).collect::<Vec<_>>();
    let kept_by_each: Vec<_> = all.iter().map(|filter| reprs(new.filter_traces(&[*filter]))).collect();
    let (mut statistics, mut compared) = (Vec::new(), Vec::new());
    for key_type in [KeyType::Filename, KeyType::Lineno, KeyType::Traceback] {
        for cumulative in [Cumulative::Off, Cumulative::Tracemalloc] {
            if key_type == KeyType::Traceback && cumulative != Cumulative::Off {
                continue;
            }
            let stats = |of: &Snapshot| rows(&of.profile().statistics(key_type, cumulative).unwrap());
            statistics.push([stats(&old), stats(&new), stats(&filtered)]);
            let compare = |of: &Snapshot, to: &Snapshot| {
                rows(&of.profile().compare_to(&to.profile(), key_type, cumulative).unwrap())
            };
            compared.push([compare(&new, &old), compare(&old, &new), compare(&filtered, &new)]);
        }
    }
    json!({
        "traces": rows(&new.traces), "filtered": reprs(filtered), "kept_by_each": kept_by_each,
        "formatted": formatted(&new, &case["limits"]), "statistics": statistics, "compared": compared,
    })
}

fn rows<T: std::fmt::Display + std::fmt::Debug>(items: &[T]) -> Vec<[String; 2]> {
    items.iter().map(|item| [item.to_string(), format!("{item:?}")]).collect()
}

fn formatted(snapshot: &Snapshot, limits: &Value) -> Vec<Vec<String>> {
    let mut source = |filename: &str, lineno: u32| {
        (!lineno.is_multiple_of(2)).then(|| format!("\t source {filename} {lineno} \n"))
    };
    let mut texts = Vec::new();
    for limit in limits.as_array().unwrap() {
        for most_recent_first in [false, true] {
            if let Some(trace) = snapshot.traces.first() {
                let limit = limit.as_i64().map(|limit| limit as isize);
                texts.push(trace.traceback.format(limit, most_recent_first, &mut source));
            }
        }
    }
    texts
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().map(|number| u32::try_from(number).unwrap())
}

/// In every other snapshot equal stacks are shared, as they are in those made from recordings.
fn snapshot(traces: &Value) -> Snapshot {
    let traces = traces.as_array().unwrap();
    let is_shared = traces.len().is_multiple_of(2);
    let mut stacks: HashMap<String, Traceback> = HashMap::new();
    let traces = traces.iter().map(|trace| {
        let (frames, total_nframe) = (&trace[2], number(&trace[3]));
        let shared = stacks.get(&format!("{frames} {total_nframe:?}")).filter(|_| is_shared).cloned();
        let traceback = shared.unwrap_or_else(|| traceback(frames, total_nframe));
        stacks.insert(format!("{frames} {total_nframe:?}"), traceback.clone());
        Trace {
            domain: number(&trace[0]).unwrap(),
            size: trace[1].as_u64().unwrap(),
            traceback,
            tag: None,
            sample: None,
        }
    });
    Snapshot::new(traces.collect(), 7)
}

fn traceback(frames: &Value, total_nframe: Option<u32>) -> Traceback {
    let frames = frames.as_array().unwrap().iter();
    let frames = frames.map(|frame| Frame::new(frame[0].as_str().unwrap(), number(&frame[1]).unwrap()));
    Traceback::new(frames.collect(), total_nframe)
}

fn filter(filter: &Value) -> Box<dyn BaseFilter> {
    let inclusive = filter[0].as_bool().unwrap();
    match filter[1].as_str() {
        None => Box::new(DomainFilter::new(inclusive, number(&filter[1]).unwrap())),
        Some(pattern) => {
            let mut frame_filter = Filter::new(inclusive, pattern);
            frame_filter.lineno = number(&filter[2]);
            frame_filter.all_frames = filter[3].as_bool().unwrap();
            frame_filter.domain = number(&filter[4]);
            Box::new(frame_filter)
        }
    }
}

/// Makes cases, the same in every run.
struct Cases(tm_testing::Random);

impl Cases {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.below(limit)
    }

    fn case(&mut self) -> Value {
        let stacks: Vec<Value> = (0..=self.below(8)).map(|_| self.stack()).collect();
        let filters: Vec<Value> = (0..self.below(5)).map(|_| self.filter()).collect();
        json!({
            "old": self.traces(&stacks), "new": self.traces(&stacks), "filters": filters,
            "limits": [null, 0, 1, 2, -1, -2, 100, -100],
        })
    }

    /// Two snapshots share most of their stacks, so that differences of all kinds occur.
    fn traces(&mut self, stacks: &[Value]) -> Vec<Value> {
        let n_stacks = self.below(stacks.len() as u64) + 1;
        (0..self.below(30))
            .map(|_| {
                let stack = &stacks[self.below(n_stacks) as usize];
                json!([self.below(3), self.size(), stack[0], stack[1]])
            })
            .collect()
    }

    /// Few small sizes make ties; the others reach every unit, and halves that round either way.
    fn size(&mut self) -> u64 {
        match self.below(3) {
            0 => self.below(4),
            1 => 1024 * self.below(300) + 512 * self.below(2),
            _ => {
                let bits = self.below(50);
                self.below(1 << bits) + 1
            }
        }
    }

    fn stack(&mut self) -> Value {
        let frames: Vec<Value> =
            (0..=self.below(6)).map(|_| json!([self.text(b"ab./[]-!^\\&cpy"), self.below(4)])).collect();
        let total = if self.below(4) == 0 { Value::Null } else { json!(frames.len() as u64 + self.below(3)) };
        json!([frames, total])
    }

    fn filter(&mut self) -> Value {
        let inclusive = self.below(2) == 0;
        if self.below(4) == 0 {
            return json!([inclusive, self.below(3)]);
        }
        let pattern = match self.below(4) {
            0 => self.text(b"ab./[]-!^\\&cpy") + "*",
            1 => format!("[{}]*", self.text(b"ab./[]-!^\\&~|cpy")),
            2 => format!("*[{}{}]", self.text(b"ab-!]"), self.text(b"ac-!z")),
            _ => self.text(b"**??[]-!ab.py"),
        };
        let lineno = if self.below(2) == 0 { Value::Null } else { json!(self.below(4)) };
        let domain = if self.below(2) == 0 { Value::Null } else { json!(self.below(3)) };
        json!([inclusive, pattern, lineno, self.below(2) == 0, domain])
    }

    /// Short names of an awkward alphabet, at times one of a few fixed ones so that frames are shared.
    fn text(&mut self, alphabet: &[u8]) -> String {
        if self.below(3) == 0 {
            return ["a.py", "a.pyc", "b.pyo", "<unknown>", "it's", "", "ä.c", "/x/a.c"]
                [self.below(8) as usize]
                .to_owned();
        }
        (0..=self.below(5))
            .map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize]))
            .collect()
    }
}
