//! Root folders of other releases of Debian, with other C libraries and compilers: for long forms alone, since debootstrap makes
//! them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::products::products;

/// A root folder, with `libtm.so` and what a test copies there in `/tm-test`.
#[derive(Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The root of `release` with a C compiler and `packages`: the folder that the variable `variable` names, or else one in the
    /// temporary folder, which is kept for the next time.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn of(release: &str, variable: &str, packages: &[&str]) -> Root {
        let given = std::env::var_os(variable).map(PathBuf::from);
        let folder = given.unwrap_or_else(|| std::env::temp_dir().join(format!("tm-root-{release}")));
        if !folder.join("usr/bin/gcc").exists() {
            let arguments = ["--variant=minbase", "--include=gcc,libc6-dev", release];
            let status = Command::new("debootstrap").args(arguments).arg(&folder).status();
            assert!(status.expect("scripts/setup --programs installs debootstrap").success());
        }
        let root = Root(folder);
        fs::create_dir_all(root.folder()).expect("the root folder can be written");
        root.succeed("mountpoint -q /proc || mount -t proc proc /proc");
        if !packages.is_empty() {
            // Not debootstrap's: their scripts want what is mounted now.
            let install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends";
            root.succeed(&format!("{install} {}", packages.join(" ")));
        }
        fs::copy(&products().library, root.folder().join("libtm.so")).expect("as above");
        root
    }

    /// Where `/tm-test` is.
    pub fn folder(&self) -> PathBuf {
        self.0.join("tm-test")
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
    pub fn run(&self, script: &str) -> Output {
        let script = format!("cd /tm-test; {script}");
        Command::new("chroot").arg(&self.0).args(["sh", "-ec", &script]).output().expect("chroot starts")
    }

    /// The same of one that succeeds.
    ///
    /// # Panics
    /// It does not.
    pub fn succeed(&self, script: &str) {
        let output = self.run(script);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Another test may be in it.
        let _ = self.run("umount /proc");
    }
}
