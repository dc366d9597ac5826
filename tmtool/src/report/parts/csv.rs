//! The lines that the reports' CSV is made of (RFC 4180, with the line ends of Unix).

use std::io;

use tm_analyzer::model::{Frame, KeyType, Traceback};
use tm_analyzer::text::raw_text;

/// Writes the names of the columns: `numbers`, and those of a group's place.
pub(in crate::report) fn headings(
    numbers: &str,
    key_type: KeyType,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let place = match key_type {
        KeyType::Tag => "tag",
        KeyType::Traceback => "filename,lineno,function,module,stack",
        _ => "filename,lineno,function,module",
    };
    writeln!(out, "{numbers},{place}")
}

/// Writes a group: its `numbers`, and its place.
pub(in crate::report) fn row(
    numbers: &str,
    traceback: &Traceback,
    tag: Option<&str>,
    key_type: KeyType,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    out.write_all(&raw_text::to_bytes(&format!("{numbers}{}", place(traceback, tag, key_type))))
}

/// The columns of the innermost frame; of a group of whole stacks, one more with all frames, oldest first. A group by
/// tag has its name alone, nothing for blocks without one.
fn place(traceback: &Traceback, tag: Option<&str>, key_type: KeyType) -> String {
    if key_type == KeyType::Tag {
        return format!(",{}\n", quoted(tag.unwrap_or_default()));
    }
    let unknown = Frame::unknown();
    let frame = traceback.most_recent().unwrap_or(&unknown);
    let function = frame.function.as_deref().unwrap_or_default();
    let module = frame.module_path().unwrap_or_default();
    let mut text =
        format!(",{},{},{},{}", quoted(&frame.filename), frame.lineno, quoted(function), quoted(module));
    if key_type == KeyType::Traceback {
        let frames: Vec<String> = traceback.frames().iter().map(|frame| frame_text(frame)).collect();
        text += &format!(",{}", quoted(&frames.join(";")));
    }
    text + "\n"
}

/// `function (file:line)`, or what is known of it.
fn frame_text(frame: &Frame) -> String {
    match &frame.function {
        Some(function) => format!("{function} ({frame})"),
        None => frame.to_string(),
    }
}

/// `text` as a field: in quotes where it has a comma, a quote or a line end.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::csv_of;
    use crate::report::diff::Diff;
    use crate::report::fixtures::profiles;
    use crate::report::leaks::Leaks;
    use crate::report::parts::header::Summary;
    use crate::report::stats::Stats;
    use tm_analyzer::model::Cumulative;

    #[test]
    fn stats_by_stack_have_all_frames() {
        let (_, new) = profiles();
        let statistics = new.statistics(KeyType::Traceback, Cumulative::Off).unwrap();
        let report = Stats {
            snapshot: Summary::of(&new),
            key_type: KeyType::Traceback,
            cumulative: Cumulative::Off,
            statistics: &statistics,
            limit: Some(1),
        };
        assert_eq!(
            csv_of(&report),
            "size,count,average,share,filename,lineno,function,module,stack\n\
             64000,1000,64.0,0.953743,/home/user/quite/long/path/of/a/project/src/node.cpp,1234,Node::make(int),,\
             main (src/main.c:9);Node::make(int) (/home/user/quite/long/path/of/a/project/src/node.cpp:1234)\n"
        );
    }

    #[test]
    fn diffs_have_signs() {
        let (old, new) = profiles();
        let statistics = new.compare_to(&old, KeyType::Filename, Cumulative::Off).unwrap();
        let report = Diff {
            old: Summary::of(&new),
            new: Summary::of(&old),
            key_type: KeyType::Filename,
            cumulative: Cumulative::Off,
            statistics: &statistics,
            limit: Some(2),
        };
        let text = csv_of(&report);
        let last = text.lines().last().unwrap();
        assert!(text.starts_with("size_diff,size,count_diff,count,filename,lineno,function,module\n"));
        assert_eq!(last, "1104,2080,25,26,src/table.c,0,,");
    }

    #[test]
    fn leaks_are_old_or_young() {
        let (young, old) = profiles();
        let (key_type, cumulative) = (KeyType::Module, Cumulative::Off);
        let groups = [&old, &young].map(|snapshot| snapshot.statistics(key_type, cumulative).unwrap());
        let stats = |snapshot, statistics| {
            let snapshot = Summary::of(snapshot);
            Stats { snapshot, key_type, cumulative, statistics, limit: Some(1) }
        };
        let (runtime, old, young) =
            (stats(&young, &groups[1]), stats(&old, &groups[0]), stats(&young, &groups[1]));
        let text = csv_of(&Leaks { old, young, runtime, shows_runtime: false, young_after_ns: 0 });
        let ages: Vec<_> = text.lines().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(ages, ["age", "old", "young", "runtime"]);
    }

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        assert_eq!(quoted("f(int, \"a\")"), "\"f(int, \"\"a\"\")\"");
        assert_eq!(quoted("a b;c"), "a b;c");
        assert_eq!(quoted("a\nb"), "\"a\nb\"");
    }
}
