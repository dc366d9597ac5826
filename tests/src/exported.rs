//! Exports of a recording, and what `tmtool` says of the same: the sums that another tool must find.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::products::{products, target_folder};
use crate::programs::installed;

/// What `tmtool COMMAND FILE OPTIONS --json` prints.
///
/// # Panics
/// `tmtool` fails or does not print JSON.
pub fn answer(command: &str, file: &Path, options: &[&str]) -> Value {
    let mut tmtool = Command::new(&products().tmtool);
    let output = tmtool.arg(command).arg(file).args(options).arg("--json").output().expect("tmtool starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tmtool {command} {} {options:?}: {said}", file.display());
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// Exports `file` to `output`, which it returns.
///
/// # Panics
/// `tmtool` fails.
pub fn export(format: &str, file: &Path, options: &[&str], output: PathBuf) -> PathBuf {
    let mut tmtool = Command::new(&products().tmtool);
    let tmtool = tmtool.arg("export").arg(format).arg(file).args(options).arg("-o").arg(&output);
    let done = tmtool.output().expect("tmtool starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "tmtool export {format} {} {options:?}: {said}", file.display());
    output
}

/// The standard output of a program that succeeds and has nothing to say on standard error.
///
/// # Panics
/// It does not.
pub fn read_by(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot start {command:?} ({error}): scripts/setup installs what the tests need")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}

/// A Python interpreter that has `packages`, of a virtual environment in the target folder that is made once.
///
/// # Panics
/// It cannot be made.
pub fn python_with(packages: &[&str]) -> PathBuf {
    let folder = target_folder().join("exports-venv");
    let python = folder.join("bin/python");
    let has = |package: &&&str| {
        let name = package.split(['=', '<', '>', '[']).next().unwrap_or(package);
        let imported = Command::new(&python).args(["-c", &format!("import {name}")]).output();
        imported.is_ok_and(|output| output.status.success())
    };
    if !packages.iter().all(|package| has(&package)) {
        let made = Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&folder).status();
        assert!(made.expect("python3 starts").success(), "scripts/setup installs python3-venv");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let installed = Command::new(&python).args(pip).args(packages).status();
        assert!(installed.expect("pip starts").success(), "pip cannot install {packages:?}");
    }
    python
}

/// The folder of a `node_modules` that has `packages` (`name@version`), in the target folder, where they are installed once.
///
/// # Panics
/// They cannot be installed.
pub fn node_packages(packages: &[&str]) -> PathBuf {
    fn name<'a>(package: &&'a str) -> &'a str {
        package.rsplit_once('@').map_or(package, |(name, _)| name)
    }
    // npm takes out of a folder what it is not asked for.
    let folder = target_folder().join("readers").join(packages.first().map_or("", name));
    let has = |package: &&str| folder.join("node_modules").join(name(package)).is_dir();
    if !packages.iter().all(has) {
        let mut npm = Command::new(installed("npm"));
        npm.args(["install", "--no-save", "--silent", "--prefix"]).arg(&folder).args(packages);
        let done = npm.status();
        assert!(done.expect("npm starts").success(), "npm cannot install {packages:?}");
    }
    folder
}
