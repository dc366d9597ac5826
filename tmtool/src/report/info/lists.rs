//! What `tmtool info` says of threads and modules: those of one name in one line, however many there are.

use std::collections::HashMap;
use std::fmt;

use super::commands::{NAME_WIDTH, section};
use super::{Info, ModuleInfo, ThreadInfo};
use crate::report::parts::human::{count, duration, pad_end, printable};

/// So many threads have a line each; of more, those of one name share one.
const N_SINGLE_MAX: usize = 20;

/// Both lists, with a heading each.
pub(super) fn write(info: &Info, out: &mut String) -> fmt::Result {
    let same_name = |thread: &ThreadInfo| thread.name.clone();
    let threads = if info.thread_list.len() > N_SINGLE_MAX {
        gathered(&info.thread_list, same_name)
    } else {
        info.thread_list.iter().map(|thread| vec![thread]).collect()
    };
    section(out, "threads", threads.iter().map(|threads| thread_line(threads)))?;
    let modules = gathered(&info.module_list, |module| (module.path.clone(), module.build_id.clone()));
    section(out, "modules", modules.iter().map(|modules| module_line(modules)))
}

/// `items` with those of one key together, in the order of the first of each.
pub(super) fn gathered<T, K: std::hash::Hash + Eq>(items: &[T], key: impl Fn(&T) -> K) -> Vec<Vec<&T>> {
    let (mut groups, mut places): (Vec<Vec<&T>>, HashMap<K, usize>) = (Vec::new(), HashMap::new());
    for item in items {
        let place = *places.entry(key(item)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}

/// How many threads are listed, as ` (5 listed)`, if not all are.
pub(super) fn listed(info: &Info) -> String {
    let n: u64 = info.thread_list.iter().map(|thread| 1 + thread.more).sum();
    if n < info.threads { format!(" ({} listed)", count(n)) } else { String::new() }
}

fn thread_line(threads: &[&ThreadInfo]) -> String {
    let (Some(first), Some(last)) = (threads.first(), threads.last()) else { return String::new() };
    let (name, start) = (pad_end(&printable(&first.name), NAME_WIDTH), duration(first.start_ns));
    let n = threads.iter().map(|thread| 1 + thread.more).sum();
    match threads.len() {
        1 if n == 1 => format!("{name} tid {} at {start}", first.tid),
        1 => format!("{name} {} threads, tid {} at {start} and those after it", count(n), first.tid),
        _ => format!(
            "{name} {} threads, tid {} at {start} to tid {} at {}",
            count(n),
            first.tid,
            last.tid,
            duration(last.start_ns)
        ),
    }
}

fn module_line(modules: &[&ModuleInfo]) -> String {
    let Some(first) = modules.first() else { return String::new() };
    let build_id = if first.build_id.is_empty() { "no build id" } else { &first.build_id };
    let times = match modules.len() {
        1 => String::new(),
        n => format!(", loaded {} times", count(n as u64)),
    };
    format!("{:#014x} {} ({build_id}){times}", first.start, printable(&first.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(name: &str, tid: u32) -> ThreadInfo {
        ThreadInfo {
            thread: 0,
            process: 0,
            tid,
            more: 0,
            name: name.to_owned(),
            start_ns: u64::from(tid) * 1_000_000,
        }
    }

    fn module(path: &str, start: u64) -> ModuleInfo {
        let (path, build_id) = (path.to_owned(), "ab".to_owned());
        ModuleInfo { process: 0, path, build_id, start, end: start + 1, loaded_ns: 0, unloaded: true }
    }

    fn lines(info: &Info) -> Vec<String> {
        let mut text = String::new();
        write(info, &mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn twenty_thousand_threads_and_one_library_many_times_are_a_line_each() {
        let mut thread_list = vec![thread("main", 1)];
        thread_list.extend((2..20_002).map(|tid| thread("worker", tid)));
        let mut module_list = vec![module("/bin/prog", 0x1000)];
        module_list.extend((0..4_091).map(|n| module("/lib/libx.so", 0x2000 + n)));
        assert_eq!(
            lines(&Info { thread_list, module_list, ..Info::default() }),
            [
                "",
                "threads",
                "  main             tid 1 at 1.0 ms",
                "  worker           20,000 threads, tid 2 at 2.0 ms to tid 20001 at 20.00 s",
                "",
                "modules",
                "  0x000000001000 /bin/prog (ab)",
                "  0x000000002000 /lib/libx.so (ab), loaded 4,091 times",
            ]
        );
    }

    #[test]
    fn a_number_of_many_threads_counts_them() {
        let thread_list = vec![ThreadInfo { more: 12_344, ..thread("w", 7) }];
        let line = "  w                12,345 threads, tid 7 at 7.0 ms and those after it";
        assert_eq!(lines(&Info { thread_list, ..Info::default() }), ["", "threads", line]);
    }

    #[test]
    fn few_threads_have_a_line_each_and_many_names_are_counted() {
        let few = Info { thread_list: (1..=3).map(|tid| thread("w", tid)).collect(), ..Info::default() };
        assert_eq!(lines(&few).len(), 2 + 3);
        let module_list = (0..4_200).map(|n| module(&format!("/lib/l{n}.so"), n)).collect();
        let many = lines(&Info { module_list, ..Info::default() });
        assert_eq!((many.len(), &*many[many.len() - 1]), (2 + 20 + 1, "  and 4,180 more (--json has all)"));
    }
}
