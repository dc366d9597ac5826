//! The file that code comes from.

use std::sync::Arc;

/// A program or library, as frames name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModuleFile {
    /// Its path, or a name that is no path (`[vdso]`) of code that came from no file.
    pub path: Arc<str>,
    /// The contents of its build-id note; empty if it has none, or if that is not known.
    pub build_id: Arc<[u8]>,
    /// Whether it is a Python interpreter, whose own frames say nothing where there are those of the code that it runs.
    pub is_interpreter: bool,
}

impl ModuleFile {
    /// Returns one whose build-id is not known.
    pub fn at(path: impl Into<Arc<str>>) -> Arc<ModuleFile> {
        Arc::new(ModuleFile { path: path.into(), build_id: Arc::default(), is_interpreter: false })
    }
}
