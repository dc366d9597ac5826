//! Interpreters of Python, and the folder in which they run the programs of `programs/python`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::run::{Run, files};

/// Debian's interpreter: what stands before it in the PATH may be a wrapper, many shells more.
pub const DEBIAN: &str = "/usr/bin/python3";

/// An installed interpreter and a folder with the programs, and the extension `taker` built for it.
#[derive(Debug)]
pub struct Python {
    program: PathBuf,
    folder: TempDir,
}

impl Python {
    /// Prepares the interpreter `program`.
    ///
    /// # Panics
    /// It does not start, or there is no compiler, or its headers are missing.
    pub fn at(program: &Path) -> Python {
        let folder = TempDir::with_prefix("tm-python-").expect("the temporary folder can be written");
        copy_programs(folder.path());
        let script = build(&program.display().to_string());
        let mut command = Command::new("sh");
        // In the true path of the folder: a recording names it so.
        let output =
            command.args(["-ec", &script]).current_dir(folder.path()).output().expect("sh is everywhere");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "taker.c: {said}; scripts/setup installs python3-dev");
        Python { program: program.to_owned(), folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A run of one of the programs in the folder.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Run {
        Run::new(&self.program)
            .args([program])
            .args(arguments)
            .folder(self.folder())
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }
}

/// Copies the programs into a folder.
///
/// # Panics
/// It cannot be written.
pub fn copy_programs(folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/python");
    let sources = files(&from).into_iter().chain(files(&from.join("hostile")));
    for source in sources.filter(|source| source.is_file()) {
        let name = source.file_name().expect("it is a file");
        fs::copy(&source, folder.join(name)).expect("the folder can be written");
    }
}

/// A script of the shell that builds the extension `taker` for an interpreter.
pub fn build(python: &str) -> String {
    let include = format!("{python} -c 'import sysconfig; print(sysconfig.get_paths()[\"include\"])'");
    format!("gcc -O2 -g -shared -fPIC taker.c -I$({include}) -o taker.so")
}

/// The interpreters of `version` (`3.12`) that a version manager has put into the home folder. They are built from source:
/// with a shared library, and with symbols.
pub fn built(version: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let versions = root.map(|root| root.join("versions")).filter(|versions| versions.is_dir());
    let is_it = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'))
    };
    let folders = versions.map(|versions| files(&versions)).unwrap_or_default().into_iter().filter(is_it);
    folders.map(|folder| folder.join("bin").join(format!("python{version}"))).collect()
}

/// The interpreter of a virtual environment with pandas, numpy and servers from their wheels: that which `TM_PYTHON_ENVIRONMENT`
/// names, or else one in the temporary folder, which is kept for the next time.
///
/// # Panics
/// It cannot be made.
pub fn environment() -> PathBuf {
    let given = std::env::var_os("TM_PYTHON_ENVIRONMENT").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| std::env::temp_dir().join("tm-python-environment"));
    let pip = folder.join("bin/pip");
    if !pip.exists() {
        let status = Command::new(DEBIAN).args(["-m", "venv"]).arg(&folder).status();
        assert!(status.expect("python3 starts").success(), "scripts/setup --programs installs python3-venv");
    }
    let packages = ["pandas", "numpy", "gunicorn", "uvicorn", "coverage"];
    let status = Command::new(pip).args(["install", "-q"]).args(packages).status();
    assert!(status.expect("pip starts").success(), "the packages cannot be installed");
    folder.join("bin/python3")
}
