//! The reports as CSV (RFC 4180, but for lines that end as Unix's do): one line of headings, one for each group.

use super::diff::Diff;
use super::leaks::Leaks;
use super::stats::Stats;
use super::timeline::{Point, Timeline};
use tm_analyzer::model::{Frame, KeyType, Traceback};

const STATS_HEADINGS: &str = "size,count,average,share";

/// [`Stats`] as a table: `share` is of the snapshot's bytes, 0 to 1.
pub fn stats(stats: &Stats<'_>) -> String {
    headings(STATS_HEADINGS, stats.key_type) + &rows(stats, "")
}

/// [`Leaks`] as one table, with a first column that tells the old from the young and from what run-time libraries
/// keep for themselves.
pub fn leaks(leaks: &Leaks<'_>) -> String {
    let headings = headings(&format!("age,{STATS_HEADINGS}"), leaks.old.key_type);
    headings + &rows(&leaks.old, "old,") + &rows(&leaks.young, "young,") + &rows(&leaks.runtime, "runtime,")
}

/// The curve of [`Timeline`], a line for each of its points.
pub fn timeline(timeline: &Timeline<'_>) -> String {
    let rows = timeline.points.iter().map(|Point { at_ns, size, count }| format!("{at_ns},{size},{count}\n"));
    "at_ns,size,count\n".to_owned() + &rows.collect::<String>()
}

/// [`Diff`] as a table of the groups that changed.
pub fn diff(diff: &Diff<'_>) -> String {
    let mut text = headings("size_diff,size,count_diff,count", diff.key_type);
    for stat in diff.shown() {
        text += &format!("{},{},{},{}", stat.size_diff, stat.size, stat.count_diff, stat.count);
        text += &place(&stat.traceback, stat.tag.as_deref(), diff.key_type);
    }
    text
}

/// The groups, each after the text `first`.
fn rows(stats: &Stats<'_>, first: &str) -> String {
    let whole = stats.snapshot.size;
    let mut text = String::new();
    for stat in stats.shown() {
        let numbers = [ratio(stat.size, stat.count), ratio(stat.size, whole)];
        text += &format!("{first}{},{},{:.1},{:.6}", stat.size, stat.count, numbers[0], numbers[1]);
        text += &place(&stat.traceback, stat.tag.as_deref(), stats.key_type);
    }
    text
}

fn headings(numbers: &str, key_type: KeyType) -> String {
    let place = match key_type {
        KeyType::Tag => "tag",
        KeyType::Traceback => "filename,lineno,function,module,stack",
        _ => "filename,lineno,function,module",
    };
    format!("{numbers},{place}\n")
}

/// The columns of the innermost frame; of a group of whole stacks, one more with all frames, oldest first. Of a group by
/// label its name alone, nothing for blocks without one.
fn place(traceback: &Traceback, tag: Option<&str>, key_type: KeyType) -> String {
    if key_type == KeyType::Tag {
        return format!(",{}\n", quoted(tag.unwrap_or_default()));
    }
    let unknown = Frame::unknown();
    let frame = traceback.most_recent().unwrap_or(&unknown);
    let function = frame.function.as_deref().unwrap_or_default();
    let module = frame.module.as_deref().unwrap_or_default();
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

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::snapshots;
    use crate::report::header::Summary;
    use tm_analyzer::model::Cumulative;

    #[test]
    fn stats_by_stack_have_all_frames() {
        let (_, new) = snapshots();
        let statistics = new.statistics(KeyType::Traceback, Cumulative::Off).unwrap();
        let report = Stats {
            snapshot: Summary::of(&new),
            key_type: KeyType::Traceback,
            cumulative: Cumulative::Off,
            statistics: &statistics,
            limit: Some(1),
        };
        assert_eq!(
            stats(&report),
            "size,count,average,share,filename,lineno,function,module,stack\n\
             64000,1000,64.0,0.953743,/home/user/quite/long/path/of/a/project/src/node.cpp,1234,Node::make(int),,\
             main (src/main.c:9);Node::make(int) (/home/user/quite/long/path/of/a/project/src/node.cpp:1234)\n"
        );
    }

    #[test]
    fn diffs_have_signs() {
        let (old, new) = snapshots();
        let statistics = new.compare_to(&old, KeyType::Filename, Cumulative::Off).unwrap();
        let report = Diff {
            old: Summary::of(&new),
            new: Summary::of(&old),
            key_type: KeyType::Filename,
            cumulative: Cumulative::Off,
            statistics: &statistics,
            limit: Some(2),
        };
        let text = diff(&report);
        let last = text.lines().last().unwrap();
        assert!(text.starts_with("size_diff,size,count_diff,count,filename,lineno,function,module\n"));
        assert_eq!(last, "1104,2080,25,26,src/table.c,0,,");
    }

    #[test]
    fn leaks_are_old_or_young() {
        let (young, old) = snapshots();
        let (key_type, cumulative) = (KeyType::Module, Cumulative::Off);
        let groups = [&old, &young].map(|snapshot| snapshot.statistics(key_type, cumulative).unwrap());
        let stats = |snapshot, statistics| {
            let snapshot = Summary::of(snapshot);
            Stats { snapshot, key_type, cumulative, statistics, limit: Some(1) }
        };
        let (runtime, old, young) =
            (stats(&young, &groups[1]), stats(&old, &groups[0]), stats(&young, &groups[1]));
        let text = leaks(&Leaks { old, young, runtime, shows_runtime: false, young_after_ns: 0 });
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
