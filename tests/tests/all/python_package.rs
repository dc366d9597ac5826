//! The package for Python: a wheel with the products in it, installed in a fresh environment, passes its own tests, CPython's
//! tests of tracemalloc among them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use tm_tests::products::{products, workspace};
use tm_tests::roots::Root;
use tm_tests::run::may_administer;
use tm_tests::soak;

/// The interpreter of the system; one of a user's own may be in front of it in `PATH`.
const PYTHON: &str = "/usr/bin/python3";

/// A fresh environment in which the wheel is installed; it sees the packages of the system.
struct Environment(TempDir);

impl Environment {
    fn with_the_wheel() -> Environment {
        let environment = Environment(tempfile::tempdir().expect("the temporary folder can be written"));
        let mut venv = Command::new(PYTHON);
        succeed(venv.args(["-m", "venv", "--system-site-packages"]).arg(environment.0.path()));
        let mut pip = pip(&environment.bin("python"), "install", &copy_of_the_package(environment.0.path()));
        succeed(pip.env("TMHEAP_PRODUCTS", folder_of_products()));
        environment
    }

    fn bin(&self, program: &str) -> PathBuf {
        self.0.path().join("bin").join(program)
    }

    fn assert_wheel_is_of_its_platform(&self) {
        let show = "import importlib.metadata as m; d = m.distribution('tmheap'); \
                    print(d.read_text('WHEEL')); print(d.metadata['Requires-Python'])";
        let told = succeed(Command::new(self.bin("python")).args(["-c", show]));
        let tag = format!("Tag: py3-none-linux_{}", std::env::consts::ARCH);
        assert!(told.contains("Root-Is-Purelib: false") && told.contains(&tag), "{told}");
        assert!(told.contains(">=3.9"), "{told}");
    }

    fn assert_own_tests_pass(&self) {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let mut pytest = Command::new(self.bin("python"));
        pytest
            .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"])
            .arg(workspace().join("python/tests"));
        pytest.current_dir(folder.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        pytest.env("PYTEST_DEBUG_TEMPROOT", folder.path());
        let told = succeed(&mut pytest);
        assert!(told.contains(" passed") && !told.contains("SKIPPED"), "{told}");
    }
}

/// `pip COMMAND PACKAGE` without a network.
fn pip(python: &Path, command: &str, package: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-index"]);
    pip.args(["--no-build-isolation", "--no-deps"]).arg(package);
    pip
}

/// A copy of `python/`: what is built leaves nothing in the tree.
fn copy_of_the_package(folder: &Path) -> PathBuf {
    let copy = folder.join("package");
    succeed(Command::new("cp").arg("-r").arg(workspace().join("python")).arg(&copy));
    copy
}

fn folder_of_products() -> &'static Path {
    products().library.parent().expect("it is in a folder")
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "{command:?}\n{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_wheel_is_installed_and_passes_its_own_tests() {
    let environment = Environment::with_the_wheel();
    environment.assert_wheel_is_of_its_platform();
    environment.assert_own_tests_pass();
}

/// CPython 3.13's own tests of tracemalloc, and ours of it, in the release of Debian that has it: long form only.
#[test]
fn cpython_3_13_passes_its_own_tests_too() {
    if !soak::is_long() || !may_administer() {
        return;
    }
    let packages = ["python3", "python3-pytest", "python3-numpy", "libpython3.13-testsuite"];
    let root = Root::of("trixie", &packages);
    root.succeed("rm -rf package site tmheap-*.whl");
    let folder = root.folder();
    let copy = copy_of_the_package(folder);
    let mut wheel = pip(Path::new(PYTHON), "wheel", &copy);
    wheel.arg("--wheel-dir").arg(folder).env("TMHEAP_PRODUCTS", folder_of_products());
    succeed(&mut wheel);
    root.succeed(
        "python3 -m zipfile -e tmheap-*.whl site; chmod +x site/tmheap/products/*
        export PYTHONPATH=/tm-test/site PYTHONDONTWRITEBYTECODE=1
        cd package/tests
        python3 -m pytest -q -p no:cacheprovider test_cpython_suite.py test_tracemalloc.py test_total_size.py >/tm-test/told || {
            cat /tm-test/told >&2; exit 1
        }
        rm -rf /tm-test/package /tm-test/site /tm-test/tmheap-*.whl",
    );
    let told = std::fs::read_to_string(folder.join("told")).expect("it was written");
    assert!(told.contains(" passed") && !told.contains("skipped"), "{told}");
}

/// What a build of `package` without its products says.
fn refused(package: &Path, configure: impl Fn(&mut Command)) -> String {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let mut wheel = pip(Path::new(PYTHON), "wheel", package);
    wheel.env_remove("TMHEAP_PRODUCTS").arg("--wheel-dir").arg(folder.path());
    configure(&mut wheel);
    let output = wheel.output().expect("pip starts");
    assert!(!output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn a_wheel_that_cannot_be_built_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let copy = copy_of_the_package(folder.path());
    let told = refused(&copy, |_| ());
    assert!(told.contains("is no checkout of tm"), "{told}");
    let told = refused(&copy, |pip| {
        pip.env("TMHEAP_PRODUCTS", "/nowhere");
    });
    assert!(told.contains("tmheap: there is no libtm.so in /nowhere"), "{told}");
    let told = refused(&workspace().join("python"), |pip| {
        pip.env("PATH", "/usr/bin:/bin");
    });
    assert!(told.contains("cargo is not in PATH") || Path::new("/usr/bin/cargo").exists(), "{told}");
}
