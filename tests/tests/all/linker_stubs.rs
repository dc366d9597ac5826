//! Stacks where a signal has interrupted a stub by which a linker leads calls to other objects (PLT), at each of its instructions.
//! The oracle is the program, which knows who has called the stub.

use std::path::Path;
use std::process::Command;

use tm_tests::exact_stacks::{assert_interrupted_stacks_are_the_noted_ones, record};
use tm_tests::programs::compile;

/// The addresses of all instructions of the stubs of a program, as binutils has them.
fn instructions(program: &Path) -> Vec<String> {
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn", "-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got"])
        .arg(program)
        .output()
        .expect("objdump starts");
    let text = String::from_utf8(output.stdout).expect("it is ASCII");
    let address = |line: &str| Some(line.trim_start().split_once(":\t")?.0.to_owned());
    text.lines().filter_map(address).collect()
}

/// Interrupts all stubs of a program that is linked with `flags`, of which at least `n` instructions run.
fn assert_exact(flags: &[&str], n: usize) {
    let common = ["-O1", "-g", "-fno-pie", "-no-pie"];
    let program = compile("interrupted_in_stub.c", &[&common[..], flags].concat());
    let addresses = instructions(&program);
    let (recorded, notes) = record(&program, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(notes.list.len() >= n, "{flags:?}: {} of {addresses:?}", notes.list.len());
    assert_interrupted_stacks_are_the_noted_ones(&recorded, &notes);
}

/// Two stubs, and where the first one leads that is of all: all or the ends of them, where they were bound at the start.
const N_LAZY: usize = if cfg!(target_arch = "aarch64") { 2 * 4 + 5 } else { 2 * 3 + 2 };
const N_NOW: usize = if cfg!(target_arch = "aarch64") { 2 * 4 } else { 2 };

#[test]
fn stacks_are_exact_where_a_stub_is_interrupted() {
    assert_exact(&["-Wl,-z,lazy"], N_LAZY);
    assert_exact(&["-Wl,-z,now"], N_NOW);
}

#[test]
#[cfg(target_arch = "aarch64")]
fn stacks_are_exact_where_a_stub_with_marks_for_branches_is_interrupted() {
    let flags = ["-mbranch-protection=standard", "-Wl,-z,force-bti"];
    assert_exact(&[&flags[..], &["-Wl,-z,lazy"]].concat(), N_LAZY + 3);
    assert_exact(&[&flags[..], &["-Wl,-z,now"]].concat(), N_NOW + 2);
}

/// Their stubs have no unwind table.
#[test]
#[cfg(target_arch = "x86_64")]
fn stacks_are_exact_where_a_stub_of_lld_or_mold_is_interrupted() {
    // Where rustc has its lld for other compilers.
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc starts").stdout;
    let sysroot = String::from_utf8(sysroot).expect("its path is UTF-8");
    let folder = format!("-B{}/lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld", sysroot.trim_end());
    let lld = ["-fuse-ld=lld", &folder];
    let plain = "-fcf-protection=none";
    assert_exact(&[&lld[..], &[plain, "-Wl,-z,lazy"]].concat(), N_LAZY);
    assert_exact(&[&lld[..], &[plain, "-Wl,-z,now"]].concat(), N_NOW);
    assert_exact(&[&lld[..], &["-fcf-protection=full", "-Wl,-z,lazy,-z,force-ibt"]].concat(), 2 * 5 + 2);
    assert_exact(&["-fuse-ld=mold", plain, "-Wl,-z,lazy"], 2 * 2 + 4);
    assert_exact(&["-fuse-ld=mold", plain, "-Wl,-z,now"], 2 * 2);
}
