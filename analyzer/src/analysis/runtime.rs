//! The blocks that are run-time libraries' own: the C++ library's pool for emergencies, buffers of standard streams, locales,
//! the loader's lists. They live until the end in every program, and are no leak of anybody's.

use rustc_hash::FxHashMap;

use super::blame::Blame;
use super::plumbing::Plumbing;
use crate::model::{Frame, Profile, Traceback};

/// The functions, with their reasons.
const TABLE: &str = include_str!("runtime.txt");

/// The libraries, by their modules; of Rust's, which is part of the program, by its sources.
const LIBRARIES: [&str; 14] = [
    "@*/libc.so.*",
    "@*/libc-*.so",
    "@*/ld-*.so*",
    "@*/ld.so*",
    "@*/libstdc++.so.*",
    "@*/libgcc_s.so.*",
    "@*/libc++.so.*",
    "@*/libc++abi.so.*",
    "@*/libpthread*.so*",
    "@*/libdl*.so*",
    "@*/libm.so.*",
    "@*/libnss_*.so*",
    "@/rustc/*",
    "@*/gconv/*.so",
];
/// The loader, which calls libraries' constructors.
const LOADERS: [&str; 2] = ["@*/ld-*.so*", "@*/ld.so*"];

/// Tells the run-time libraries' own blocks from the program's, each shared traceback once.
pub struct RuntimeLibraries {
    functions: Blame,
    libraries: Blame,
    loaders: Blame,
    /// What was asked about, which keeps its address from being another one's.
    known: FxHashMap<usize, (Traceback, bool)>,
}

impl RuntimeLibraries {
    /// Those of C, C++ and Rust, and Python interpreters.
    pub fn known() -> RuntimeLibraries {
        let of =
            |patterns: &[&str]| Blame::new(patterns.iter().fold(Plumbing::none(), |all, one| all.with(one)));
        RuntimeLibraries {
            functions: Blame::new(Plumbing::of_table(TABLE)),
            libraries: of(&LIBRARIES),
            loaders: of(&LOADERS),
            known: FxHashMap::default(),
        }
    }

    /// `profile` without the libraries' own blocks, and those.
    pub fn split(&mut self, mut profile: Profile) -> (Profile, Profile) {
        let rows = std::mem::take(&mut profile.rows);
        let (own, others) = rows.into_iter().partition(|row| self.is_own(&row.traceback));
        let libraries = Profile { rows: own, ..profile.clone() };
        (Profile { rows: others, ..profile }, libraries)
    }

    /// Whether a library allocated the block of this whole stack for itself.
    pub fn is_own(&mut self, traceback: &Traceback) -> bool {
        if let Some((_, is_own)) = self.known.get(&traceback.identity()) {
            return *is_own;
        }
        let is_own = self.find(traceback);
        self.known.insert(traceback.identity(), (traceback.clone(), is_own));
        is_own
    }

    fn find(&mut self, traceback: &Traceback) -> bool {
        let frames = traceback.frames();
        let innermost: Vec<&Frame> = frames
            .iter()
            .rev()
            .map(|frame| &**frame)
            .take_while(|frame| frame.is_interpreter() || self.libraries.is_plumbing(frame))
            .collect();
        if innermost.iter().any(|frame| self.functions.is_plumbing(frame)) {
            return true;
        }
        // The loader called a library's constructor, and no other code had a part in it: needs no name of a function.
        let is_whole = traceback.total_nframe().is_some_and(|total| total as usize == frames.len());
        let is_alone = is_whole && innermost.len() == frames.len();
        is_alone && frames.first().is_some_and(|outermost| self.loaders.is_plumbing(outermost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uncertainty;
    use crate::model::{Amount, ModuleFile, ProfileRow};

    const LIBC: &str = "/usr/lib/x86_64-linux-gnu/libc.so.6";
    const LIBSTDCXX: &str = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6";
    const LOADER: &str = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    const PROGRAM: &str = "/home/anna/prog";

    /// A stack of (module, function), the outermost first; no name where there is none.
    fn stack(frames: &[(&str, &str)], n_frames: usize) -> Traceback {
        let frame = |&(module, function): &(&str, &str)| {
            let name = module.rsplit('/').next().unwrap_or_default();
            let function = (!function.is_empty()).then(|| function.into());
            Frame { function, module: Some(ModuleFile::at(module)), ..Frame::new(format!("{name}+0x10"), 0) }
        };
        let frames: Vec<_> = frames.iter().map(|it| std::sync::Arc::new(frame(it))).collect();
        Traceback::from_oldest_first(frames, Some(n_frames as u32))
    }

    fn is_own(frames: &[(&str, &str)]) -> bool {
        RuntimeLibraries::known().is_own(&stack(frames, frames.len()))
    }

    #[test]
    fn the_pool_of_a_stripped_library_is_known_by_who_called_for_it() {
        let pool = [(LOADER, ""), (LOADER, ""), (LIBSTDCXX, "")];
        assert!(is_own(&pool));
        assert!(!is_own(&[(LOADER, ""), (PROGRAM, ""), (LIBSTDCXX, "")]), "the program's own constructor");
        assert!(!is_own(&[(PROGRAM, "_start"), (LIBC, ""), (PROGRAM, "main"), (LIBSTDCXX, "")]));
        assert!(!RuntimeLibraries::known().is_own(&stack(&pool, 9)), "outer frames are not known");
        assert!(!is_own(&[(LIBC, "clone3"), (LIBSTDCXX, "")]), "a thread's");
    }

    #[test]
    fn what_the_caller_is_given_is_the_caller_s() {
        for (function, expected) in [
            ("setlocale", true),
            ("puts", true),
            ("__GI_setlocale", true),
            ("tzset", true),
            ("dlopen", true),
            ("getpwnam", true),
            ("strdup", false),
            ("fopen", false),
            ("fprintf", false),
            ("asprintf", false),
            ("getline", false),
            ("newlocale", false),
            ("iconv_open", false),
            ("opendir", false),
            ("pthread_create", false),
            ("getaddrinfo", false),
            ("realpath", false),
        ] {
            assert_eq!(is_own(&[(PROGRAM, "main"), (LIBC, function), (LIBC, "")]), expected, "{function}");
            assert!(!is_own(&[(PROGRAM, function)]), "a function of the program's: {function}");
            assert!(!is_own(&[(LIBC, "setlocale"), (PROGRAM, "callback"), (LIBC, "malloc")]), "called back");
        }
        assert!(is_own(&[
            (PROGRAM, "main"),
            (LIBSTDCXX, "std::ios_base::sync_with_stdio(bool)"),
            (LIBSTDCXX, "")
        ]));
        assert!(!is_own(&[(PROGRAM, "main"), (LIBSTDCXX, "std::string::reserve(unsigned long)")]));
    }

    #[test]
    fn rust_s_own_are_told_by_their_sources() {
        let frame = |function: &str, file: &str| Frame {
            function: Some(function.into()),
            module: Some(ModuleFile::at(PROGRAM)),
            ..Frame::new(file, 1)
        };
        let start = frame("std::rt::lang_start_internal", "/rustc/5980/library/std/src/rt.rs");
        let main = frame("app::main", "src/main.rs");
        let boxed = frame("alloc::boxed::Box<T>::new", "/rustc/5980/library/alloc/src/boxed.rs");
        let own = |frames: Vec<Frame>| RuntimeLibraries::known().is_own(&Traceback::new(frames, None));
        assert!(own(vec![boxed.clone(), start.clone()]));
        assert!(!own(vec![boxed, main, start]));
    }

    #[test]
    fn what_an_interpreter_makes_as_it_starts_is_its_own_and_what_python_code_makes_is_not() {
        let python = |file: &str| Frame { kind: tm_common::stack::FrameKind::Python, ..Frame::new(file, 1) };
        let file = ModuleFile { is_interpreter: true, ..(*ModuleFile::at("/usr/bin/python3")).clone() };
        let file = std::sync::Arc::new(file);
        let of_interpreter = |function: &str| Frame {
            function: Some(function.into()),
            module: Some(std::sync::Arc::clone(&file)),
            ..Frame::new("python3+0x10", 0)
        };
        let start = || vec![of_interpreter("Py_InitializeFromConfig"), of_interpreter("Py_BytesMain")];
        let own = |frames: Vec<Frame>| RuntimeLibraries::known().is_own(&Traceback::new(frames, None));
        assert!(own([vec![of_interpreter("PyObject_Malloc")], start()].concat()));
        assert!(!own([vec![of_interpreter("PyObject_Malloc"), python("<frozen site>")], start()].concat()));
        assert!(!own(vec![of_interpreter("PyObject_Malloc"), of_interpreter("Py_RunMain")]));
        let mut program = start();
        program[0].module = Some(ModuleFile::at(PROGRAM));
        assert!(!own(program), "a function of the program's");
    }

    #[test]
    fn a_split_loses_nothing() {
        let row = |frames: &[(&str, &str)]| ProfileRow {
            traceback: stack(frames, frames.len()),
            tag: None,
            domain: 0,
            process: None,
            amount: Amount::of_block(8),
            uncertainty: Uncertainty::EXACT,
        };
        let rows = vec![row(&[(PROGRAM, "main")]), row(&[(PROGRAM, "main"), (LIBC, "puts")])];
        let profile = Profile { rows: rows.clone(), traceback_limit: 16, origin: None };
        let (others, own) = RuntimeLibraries::known().split(profile);
        assert_eq!((others.rows, own.rows), (rows[..1].to_vec(), rows[1..].to_vec()));
    }
}
