//! `inspect` on real programs: made here by gcc, and those of this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use tempfile::TempDir;

use super::*;

fn check(program: impl AsRef<OsStr>) -> std::result::Result<Program, String> {
    let path = std::env::var_os("PATH");
    inspect(program.as_ref(), path.as_deref()).map_err(|refusal| refusal.0)
}

/// Asserts that the program is refused, with `part` in the sentence.
fn assert_refused(program: impl AsRef<OsStr>, part: &str) {
    let sentence = check(program).expect_err(part);
    assert!(sentence.contains(part), "{sentence}");
}

/// A small C program built with `flags`.
fn compiled(folder: &TempDir, name: &str, flags: &[&str]) -> PathBuf {
    let (source, path) = (folder.path().join("program.c"), folder.path().join(name));
    fs::write(&source, "#include <stdlib.h>\nint main(void) { free(malloc(3)); return 0; }\n").unwrap();
    let status = Command::new("gcc").arg(&source).arg("-o").arg(&path).args(flags).status().unwrap();
    assert!(status.success());
    path
}

fn script(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn ordinary_programs_can_be_recorded() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, "program", &[]);
    let expected = Program {
        path: program.clone(),
        executable: program.clone(),
        through_shell: false,
        notes: Vec::new(),
    };
    assert_eq!(check(&program), Ok(expected));
    let bash = check("bash").unwrap();
    assert!(bash.path.ends_with("bash") && bash.executable == bash.path);
    check("python3").unwrap();
}

#[test]
fn static_programs_are_refused() {
    let folder = TempDir::new().unwrap();
    for flags in ["-static", "-static-pie"] {
        assert_refused(compiled(&folder, "program", &[flags]), "is statically linked");
    }
}

#[test]
fn what_is_no_program_is_refused() {
    let folder = TempDir::new().unwrap();
    assert_refused(folder.path(), "is a folder");
    assert_refused("/nonexistent/program", "does not exist");
    assert_refused("no-program-of-this-name", "is not in PATH");
    assert_refused("", "name is empty");
    assert_refused("/dev/null", "is not a regular file");
    assert_refused(script(&folder, "binary", "\x01\x02\0\x03"), "neither a program nor a script");
    let elf = script(&folder, "damaged", "\x7fELF\x02\x01");
    assert_refused(elf, "cannot read");
    let plain = script(&folder, "plain", "x");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    assert_refused(plain, "is not executable");
}

#[test]
fn scripts_are_followed() {
    let folder = TempDir::new().unwrap();
    let by_env = script(&folder, "by-env", "#!/usr/bin/env -S bash -e\n");
    assert!(check(&by_env).unwrap().executable.ends_with("bash"));
    let chain = script(&folder, "chain", &format!("#!{}\n", by_env.display()));
    let found = check(&chain).unwrap();
    assert!(found.path == chain && found.executable.ends_with("bash") && !found.through_shell);
    let bare = script(&folder, "bare", "exit 3\n");
    assert!(check(bare).unwrap().through_shell);
}

#[test]
fn bad_interpreters_are_named() {
    let folder = TempDir::new().unwrap();
    let bad = |text| script(&folder, "script", text);
    assert_refused(bad("#!/no/such/python\n"), "has a bad interpreter: /no/such/python does not exist");
    assert_refused(bad("#!/usr/bin/env no-such-python\n"), "no-such-python is not in PATH");
    assert_refused(bad("#!/bin/bash\r\n"), "has Windows line ends");
    assert_refused(bad("#!\n"), "empty #! line");
    let itself = folder.path().join("script");
    assert_refused(bad(&format!("#!{}\n", itself.display())), "script for a script");
}

#[test]
fn sanitizers_are_refused() {
    let folder = TempDir::new().unwrap();
    assert_refused(compiled(&folder, "asan", &["-fsanitize=address"]), "AddressSanitizer");
    assert_refused(compiled(&folder, "tsan", &["-fsanitize=thread"]), "ThreadSanitizer");
    check(compiled(&folder, "ubsan", &["-fsanitize=undefined"])).unwrap();
}

#[test]
fn an_exported_malloc_is_refused() {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let rustc = Path::new(String::from_utf8(sysroot.stdout).unwrap().trim()).join("bin/rustc");
    assert_refused(rustc, "exports a malloc of its own");
}

#[test]
fn other_machines_and_c_libraries_are_refused() {
    let folder = TempDir::new().unwrap();
    let foreign = compiled(&folder, "foreign", &["-Wl,--dynamic-linker=/lib/ld-uClibc.so.1"]);
    assert_refused(foreign, "neither glibc's loader nor musl's");
    let absent = compiled(&folder, "absent", &["-Wl,--dynamic-linker=/nix/ld-linux-x86-64.so.2"]);
    assert_refused(absent, "needs the loader");
    let program = compiled(&folder, "program", &[]);
    let whole = fs::read(&program).unwrap();
    for (place, value, part) in [(4, 1, "is a 32-bit program"), (18, 243, "is a program for riscv")] {
        let mut changed = whole.clone();
        changed[place] = value;
        fs::write(&program, changed).unwrap();
        assert_refused(&program, part);
    }
}

#[test]
fn damaged_programs_never_crash_the_check() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, "program", &["-s"]);
    let whole = fs::read(&program).unwrap();
    for n_bytes in (0..whole.len()).step_by(61) {
        fs::write(&program, &whole[..n_bytes]).unwrap();
        let _ = check(&program);
    }
}

/// Only root can give files away; for other users the tests above cover all but the owner.
#[test]
fn another_owners_set_user_id_is_refused() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, "program", &[]);
    let set_mode = |mode| fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o4755);
    check(&program).expect("our own set-user-ID program raises nothing");
    if chown(&program, Some(65534), Some(65534)).is_err() {
        return;
    }
    set_mode(0o4755);
    assert_refused(&program, "is set-user-ID");
    set_mode(0o2755);
    assert_refused(&program, "is set-group-ID");
    set_mode(0o755);
    check(&program).unwrap();
}
