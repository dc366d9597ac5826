//! The allocation plumbing, and profiles without it: each block is blamed on the innermost frame that is not there to
//! allocate for others.

use crate::model::Frame;
use crate::text::Pattern;
use crate::text::function_name::bare;

/// The table: patterns with their reasons, one a line.
const TABLE: &str = include_str!("plumbing.txt");

/// The functions that are plumbing.
///
/// ```
/// use tm_analyzer::analysis::Plumbing;
/// use tm_analyzer::model::Frame;
///
/// let mut frame = Frame::new("/usr/include/c++/12/bits/stl_vector.h", 1011);
/// frame.function = Some("std::vector<char, std::allocator<char> >::resize(unsigned long)".into());
/// assert!(Plumbing::known().is_plumbing(&frame));
/// ```
#[derive(Clone, Debug)]
pub struct Plumbing {
    /// The last one that matches decides.
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// `None` for any function, named or not.
    function: Option<FunctionPattern>,
    /// For the source file or the module's path; `None` for any.
    file: Option<Pattern>,
    is_plumbing: bool,
    code: Code,
}

/// The code that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// What is compiled: names of Python functions are anybody's.
    Native,
    /// What an interpreter runs.
    Python,
    /// Both.
    Any,
}

/// The names of functions.
#[derive(Clone, Debug)]
struct FunctionPattern {
    /// For a native function's name without parameters and template arguments.
    bare: Pattern,
    /// For the qualified name of a Python function, in which `<` stands for itself.
    python: Pattern,
}

impl Plumbing {
    /// No plumbing at all.
    #[must_use]
    pub fn none() -> Plumbing {
        Plumbing { rules: Vec::new() }
    }

    /// The plumbing of C, C++, Rust, GLib, CPython and other well-known libraries.
    #[must_use]
    pub fn known() -> Plumbing {
        Plumbing::of_table(TABLE)
    }

    /// The patterns of a table: one a line, beside empty lines and comments.
    pub(super) fn of_table(table: &str) -> Plumbing {
        let lines = table.lines().map(str::trim);
        let patterns = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        patterns.fold(Plumbing::none(), |all, pattern| match pattern.strip_prefix("python ") {
            Some(pattern) => all.with_rule(pattern, Code::Python),
            None => all.with_rule(pattern, Code::Native),
        })
    }

    /// The same and one more pattern: `FUNCTION`, `FUNCTION@FILE` or `@FILE`, with a `!` before it to take functions out.
    /// Parameters and template arguments in FUNCTION are ignored, as they are in names; a Python function's name is the qualified
    /// one (`Table.read.<locals>.parse`).
    #[must_use]
    pub fn with(self, pattern: &str) -> Plumbing {
        self.with_rule(pattern, Code::Any)
    }

    fn with_rule(mut self, pattern: &str, code: Code) -> Plumbing {
        let (pattern, is_plumbing) = match pattern.strip_prefix('!') {
            Some(pattern) => (pattern, false),
            None => (pattern, true),
        };
        let (function, file) = match pattern.split_once('@') {
            Some((function, file)) => (function, Some(Pattern::new(file))),
            None => (pattern, None),
        };
        let function = (file.is_none() || !function.is_empty())
            .then(|| FunctionPattern { bare: Pattern::new(&bare(function)), python: Pattern::new(function) });
        self.rules.push(Rule { function, file, is_plumbing, code });
        self
    }

    /// Whether `frame` allocates for others.
    #[must_use]
    pub fn is_plumbing(&self, frame: &Frame) -> bool {
        let function = frame.function.as_deref();
        let function = function.map(|name| if frame.is_python() { name.to_owned() } else { bare(name) });
        let decides = |rule: &&Rule| rule.matches(frame, function.as_deref());
        self.rules.iter().rev().find(decides).is_some_and(|rule| rule.is_plumbing)
    }
}

impl Rule {
    fn matches(&self, frame: &Frame, function: Option<&str>) -> bool {
        let matches = |pattern: &Pattern, text: Option<&str>| text.is_some_and(|text| pattern.matches(text));
        let matches_function = |pattern: &FunctionPattern| match frame.is_python() {
            true => matches(&pattern.python, function),
            false => matches(&pattern.bare, function),
        };
        let is_of_its_code = match self.code {
            Code::Native => !frame.is_python(),
            Code::Python => frame.is_python(),
            Code::Any => true,
        };
        is_of_its_code
            && self.function.as_ref().is_none_or(matches_function)
            && self.file.as_ref().is_none_or(|pattern| {
                pattern.matches(&frame.filename) || matches(pattern, frame.module_path())
            })
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame { function: Some(function.into()), ..Frame::new(file, 1) }
    }

    #[test]
    fn allocators_and_containers_are_plumbing_and_their_users_are_not() {
        let known = Plumbing::known();
        for function in [
            "operator new(unsigned long)",
            "operator new[](unsigned long)",
            "std::__new_allocator<char>::allocate(unsigned long, void const*)",
            "void std::vector<int, std::allocator<int> >::_M_realloc_insert<int>(int&&)",
            "std::shared_ptr<Session> std::make_shared<Session, int&>(int&)",
            "std::_Rb_tree<int, int>::_M_create_node(int const&)",
            "alloc::raw_vec::RawVec<T,A>::grow_one",
            "<alloc::vec::Vec<T> as core::iter::traits::collect::FromIterator<T>>::from_iter",
            "<T as alloc::slice::hack::ConvertVec>::to_vec",
            "hashbrown::raw::RawTable<T,A>::reserve_rehash",
            "__rustc[5224e6b81cd82a8f]::__rust_alloc",
            "__rdl_alloc",
            "xmalloc",
            "xrealloc.part.0",
            "g_malloc0",
            "__strdup",
            "PyObject_Malloc",
            "_PyObject_GC_New",
            "sqlite3MallocZero",
            "tm::tracking::track",
        ] {
            assert!(known.is_plumbing(&frame(function, "x")), "{function}");
        }
        for function in [
            "main",
            "malloc_test",
            "standard::thing",
            "app::Vec::push",
            "<app::Node as core::clone::Clone>::clone",
            "<alloc::vec::Vec<u8> as app::Load>::load",
            "Pool::operator()(unsigned long)",
            "std::rt::lang_start",
            "PyList_New",
        ] {
            assert!(!known.is_plumbing(&frame(function, "x")), "{function}");
        }
        assert!(known.is_plumbing(&frame("anything", "/usr/include/c++/12/bits/alloc_traits.h")));
        assert!(known.is_plumbing(&frame("tm_track", "/usr/local/include/tm.h")));
        assert!(!known.is_plumbing(&Frame::new("libc.so.6+0x1234", 0)));
    }

    /// What natives allocate for others says nothing of Python functions that happen to have their names.
    #[test]
    fn known_plumbing_is_native() {
        let mut getline = frame("getline", "/usr/lib/python3.11/linecache.py");
        assert!(Plumbing::known().is_plumbing(&getline));
        getline.kind = tm_common::stack::FrameKind::Python;
        assert!(!Plumbing::known().is_plumbing(&getline));
        assert!(Plumbing::known().with("getline").is_plumbing(&getline));
        let lambda = Frame { function: Some("main.<locals>.<lambda>".into()), ..getline };
        assert!(Plumbing::none().with("*<lambda>").is_plumbing(&lambda));
        assert!(!Plumbing::none().with("main.").is_plumbing(&lambda));
    }

    #[test]
    fn importing_is_plumbing_of_python_code_alone() {
        let mut import = frame("_compile_bytecode", "<frozen importlib._bootstrap_external>");
        assert!(!Plumbing::known().is_plumbing(&import));
        import.kind = tm_common::stack::FrameKind::Python;
        assert!(Plumbing::known().is_plumbing(&import));
        assert!(!Plumbing::known().with("!_compile_*").is_plumbing(&import));
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let mine =
            Plumbing::known().with("my::Pool<*>::get(int)").with("!std::string::*").with("get_*@*/pool.c");
        assert!(mine.is_plumbing(&frame("my::Pool<Node>::get(unsigned long)", "x")));
        assert!(!mine.is_plumbing(&frame("std::string::reserve(unsigned long)", "x")));
        assert!(mine.is_plumbing(&frame("get_node", "src/pool.c")));
        assert!(!mine.is_plumbing(&frame("get_node", "src/other.c")));
        let in_module = Frame {
            module: Some(crate::model::ModuleFile::at("/lib/libpool.so")),
            ..Frame::new("libpool.so+0x10", 0)
        };
        assert!(Plumbing::none().with("@*/libpool.so").is_plumbing(&in_module));
        assert!(!Plumbing::none().is_plumbing(&frame("malloc", "x")));
    }

    #[test]
    fn the_table_has_no_empty_or_doubled_line() {
        let lines: Vec<&str> =
            TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let different: std::collections::HashSet<_> = lines.iter().collect();
        assert_eq!(different.len(), lines.len());
        assert!(lines.iter().all(|line| line.trim() == *line && *line != "*"));
    }
}
