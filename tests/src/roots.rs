//! Root folders of other releases of Debian, with other C libraries, compilers and Pythons, which `scripts/root` makes: for
//! long forms alone.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::products::{products, workspace};

/// A root folder, with `libtm.so` and what a test copies there in `/tm-test`.
#[derive(Debug)]
pub struct Root {
    release: String,
    folder: PathBuf,
}

impl Root {
    /// The root of `release` with a C compiler and `packages`.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn of(release: &str, packages: &[&str]) -> Root {
        let output = Command::new(script()).arg(release).output().expect("bash is everywhere");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let root = Root { release: release.to_owned(), folder: folder.join("tm-test") };
        fs::create_dir_all(root.folder()).expect("the root folder can be written");
        if !packages.is_empty() {
            let install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends";
            root.succeed(&format!("{install} {}", packages.join(" ")));
        }
        fs::copy(&products().library, root.folder().join("libtm.so")).expect("as above");
        root
    }

    /// Where `/tm-test` is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Copies test programs there.
    ///
    /// # Panics
    /// They cannot be copied.
    pub fn copy(&self, programs: &[&str]) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
        for program in programs {
            let from = from.join(program);
            let name = from.file_name().expect("it is a file");
            fs::copy(&from, self.folder().join(name)).expect("the root folder can be written");
        }
    }

    /// What a script of the shell does in `/tm-test`.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn run(&self, script_text: &str) -> Output {
        let script_text = format!("cd /tm-test; {script_text}");
        let arguments = [&*self.release, "sh", "-ec", &script_text].map(OsStr::new);
        Command::new(script()).args(arguments).output().expect("bash is everywhere")
    }

    /// The same of one that succeeds.
    ///
    /// # Panics
    /// It does not.
    pub fn succeed(&self, script_text: &str) {
        let output = self.run(script_text);
        assert!(output.status.success(), "{script_text}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What makes root folders, and runs commands in them.
fn script() -> PathBuf {
    workspace().join("scripts/root")
}
