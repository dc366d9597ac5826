//! valgrind's lists: entries of `Memcheck:Leak`, whose callers are held against a stack from the innermost frame on. Entries of
//! other kinds are passed over.
//!
//! Valgrind's stacks begin with the allocator (`malloc`, `_Znwm`), tm's with who called it, so an allocator's line matches what tm
//! leaves out. Names are mangled in such lists and are demangled here; one that is cut by a wildcard cannot be.

use std::path::Path;

use super::{Rule, Suppression};
use crate::errors::Result;
use crate::toml_file::wrong;
use tm_analyzer::model::{Frame, Traceback};
use tm_analyzer::symbolize::demangle;
use tm_analyzer::text::Pattern;

/// What valgrind calls the innermost frame, and the file that it is in.
const ALLOCATORS: [&str; 18] = [
    "malloc",
    "calloc",
    "realloc",
    "memalign",
    "posix_memalign",
    "aligned_alloc",
    "valloc",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "operator new(unsigned long)",
    "operator new[](unsigned long)",
    "__builtin_new",
    "__builtin_vec_new",
    "reallocarray",
];
const ALLOCATORS_FILE: &str = "/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so";

pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Suppression>> {
    let mut all = Vec::new();
    let lines = text.lines().map(str::trim).zip(1..);
    let mut lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    while let Some((first, start)) = lines.next() {
        if first != "{" {
            return Err(wrong(
                path,
                start,
                format!("'{first}' begins no entry; write {{ in a line of its own"),
            ));
        }
        let (mut body, mut is_ended) = (Vec::new(), false);
        for (line, number) in lines.by_ref() {
            is_ended = line == "}";
            if is_ended {
                break;
            }
            body.push((line, number));
        }
        if !is_ended {
            return Err(wrong(path, start, "this entry has no end; write } in a line of its own"));
        }
        if let Some((name, callers)) = entry(path, start, &body)? {
            all.push(Suppression::new(path, start, name, Rule::Valgrind(callers)));
        }
    }
    Ok(all)
}

/// The name and the callers of an entry; `None` of one that is not of leaks.
fn entry(path: &Path, start: usize, body: &[(&str, usize)]) -> Result<Option<(String, Callers)>> {
    let [(name, _), (kind, _), rest @ ..] = body else {
        return Err(wrong(path, start, "this entry does not say of which tool it is, as Memcheck:Leak"));
    };
    let Some((tools, kind)) = kind.split_once(':') else {
        return Err(wrong(path, start, "this entry does not say of which tool it is, as Memcheck:Leak"));
    };
    if kind != "Leak" || !tools.split(',').any(|tool| tool == "Memcheck") {
        return Ok(None);
    }
    let mut callers = Vec::new();
    for (line, number) in rest {
        if line.starts_with("match-leak-kinds:") {
            continue;
        }
        let Some(caller) = Caller::parse(line) else {
            return Err(wrong(
                path,
                *number,
                format!("'{line}' is no caller; write fun:, obj:, src: or ..."),
            ));
        };
        callers.push(caller);
    }
    if callers.iter().all(|caller| matches!(caller, Caller::Any)) {
        return Err(wrong(path, start, "this entry has no caller, and would match every leak"));
    }
    Ok(Some(((*name).to_owned(), Callers(callers))))
}

/// The callers of an entry, the innermost first.
#[derive(Clone, Debug)]
pub(super) struct Callers(Vec<Caller>);

#[derive(Clone, Debug)]
enum Caller {
    /// Any number of frames.
    Any,
    Function {
        written: String,
        pattern: Pattern,
    },
    Object(Pattern),
    Source {
        file: Pattern,
        line: Option<u32>,
    },
}

impl Callers {
    pub fn matches(&self, whole: &Traceback) -> bool {
        // The allocator itself, and then what tm has but for operator new, which calls the allocator.
        let inward = whole.frames().iter().rev().map(|frame| &**frame);
        let is_new = |frame: &&Frame| {
            frame.function.as_deref().is_some_and(|function| function.starts_with("operator new"))
        };
        let frames: Vec<&Frame> = inward.skip_while(is_new).collect();
        // The first element of `reachable`: after no frame at all; the second one: after the allocator; and so on.
        let n_frames = frames.len() + 1;
        let mut reachable = vec![false; n_frames + 1];
        reachable[0] = true;
        for caller in &self.0 {
            let mut next = vec![false; n_frames + 1];
            for (place, _) in reachable.iter().enumerate().filter(|(_, is)| **is) {
                match caller {
                    Caller::Any => next.iter_mut().skip(place).for_each(|it| *it = true),
                    one if place < n_frames => {
                        let frame = place.checked_sub(1).and_then(|outward| frames.get(outward));
                        next[place + 1] |= frame.map_or_else(|| one.is_allocator(), |frame| one.is(frame));
                    }
                    _ => {}
                }
            }
            reachable = next;
        }
        reachable.contains(&true)
    }

    pub fn cannot_match(&self) -> Option<&'static str> {
        let is_cut = |caller: &Caller| {
            matches!(caller, Caller::Function { written, .. }
                if written.starts_with("_Z") && written.contains(['*', '?']) && !caller.is_allocator())
        };
        self.0.iter().any(is_cut).then_some("a mangled name with a wildcard cannot be demangled")
    }
}

impl Caller {
    fn parse(line: &str) -> Option<Caller> {
        // Valgrind has no sets of characters.
        let pattern = |text: &str| Pattern::new(&text.replace('[', "[[]"));
        match line.split_once(':') {
            None if line == "..." => Some(Caller::Any),
            Some(("fun", name)) => {
                let is_mangled = name.starts_with("_Z") && !name.contains(['*', '?']);
                let shown = if is_mangled { demangle(name) } else { name.to_owned() };
                Some(Caller::Function { written: name.to_owned(), pattern: pattern(&shown) })
            }
            Some(("obj", path)) => Some(Caller::Object(pattern(path))),
            Some(("src", place)) => {
                let with_line =
                    place.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
                let (file, line) = with_line.map_or((place, None), |(file, line)| (file, Some(line)));
                Some(Caller::Source { file: pattern(file), line })
            }
            _ => None,
        }
    }

    fn is_allocator(&self) -> bool {
        match self {
            Caller::Function { written, pattern } => {
                let as_written = Pattern::new(&written.replace('[', "[[]"));
                ALLOCATORS.iter().any(|name| as_written.matches(name) || pattern.matches(name))
            }
            Caller::Object(pattern) => pattern.matches(ALLOCATORS_FILE),
            Caller::Any | Caller::Source { .. } => false,
        }
    }

    fn is(&self, frame: &Frame) -> bool {
        match self {
            Caller::Any => true,
            Caller::Function { pattern, .. } => {
                let is = |function: &str| {
                    // Without its parameters, as C's names are.
                    let short = function.split_once('(').map_or(function, |(name, _)| name);
                    pattern.matches(function) || pattern.matches(short)
                };
                frame.function.as_deref().is_some_and(is)
            }
            Caller::Object(pattern) => frame.module_path().is_some_and(|path| pattern.matches(path)),
            Caller::Source { file, line } => {
                let name = frame.filename.rsplit('/').next().unwrap_or_default();
                line.is_none_or(|line| line == frame.lineno)
                    && (file.matches(&frame.filename) || file.matches(name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stack;
    use super::*;

    #[test]
    fn callers_are_held_against_a_stack_from_the_innermost_frame_on() {
        let whole = stack(&["operator new(unsigned long)", "Pool::get(int)", "work", "main"]);
        for (callers, expected) in [
            (&["fun:_Znwm", "fun:_ZN4Pool3getEi", "fun:work"][..], true),
            (&["fun:_Znwm", "fun:Pool::get*"], true),
            (&["fun:malloc", "fun:Pool::get(int)"], true),
            (&["fun:*alloc", "fun:Pool::get"], true),
            (&["fun:_Znwm", "fun:work"], false),
            (&["fun:_Znwm", "...", "fun:main"], true),
            (&["...", "fun:ma?n"], true),
            (&["...", "fun:main", "..."], true),
            (&["...", "fun:main", "fun:main"], false),
            (&["fun:Pool::get"], false),
            (&["obj:*/vgpreload_memcheck*", "obj:*/libx.so*"], true),
            (&["fun:_Znwm", "src:a.c:7", "src:/src/*"], true),
            (&["fun:_Znwm", "src:a.c:8"], false),
            (&["fun:[a-z]*", "..."], false),
        ] {
            let all = Callers(callers.iter().map(|line| Caller::parse(line).unwrap()).collect());
            assert_eq!(all.matches(&whole), expected, "{callers:?}");
        }
        let cut = Callers(vec![Caller::parse("fun:_ZN4Pool*").unwrap()]);
        assert!(cut.cannot_match().is_some());
    }

    #[test]
    fn entries_of_other_kinds_are_passed_over() {
        let text = "{\n a\n Memcheck:Cond\n fun:f\n}\n# x\n{\n b\n Memcheck:Leak\n match-leak-kinds: all\n fun:malloc\n fun:f\n}\n";
        let found = parse(Path::new("v.supp"), text).unwrap();
        assert_eq!(found.iter().map(|one| (one.text.as_str(), one.line)).collect::<Vec<_>>(), [("b", 7)]);
    }
}
