//! The C library of Debian 11 (glibc 2.31), which has no `_dl_find_object`: programs run under libtm.so as without it, and
//! what they allocate has exact stacks. Long form only: it needs a root folder of that system, which debootstrap makes.
//!
//! `TM_OLD_ROOT` names the folder; without it one is made in the temporary folder and kept for the next time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tm_tests::info::{info, number};
use tm_tests::products::products;
use tm_tests::run::may_administer;
use tm_tests::soak;

/// The root folder of an old system with a compiler.
fn root() -> PathBuf {
    let given = std::env::var_os("TM_OLD_ROOT").map(PathBuf::from);
    let root = given.unwrap_or_else(|| std::env::temp_dir().join("tm-old-root"));
    if !root.join("usr/bin/gcc").exists() {
        let arguments = ["--variant=minbase", "--include=gcc,libc6-dev", "bullseye"];
        let status = Command::new("debootstrap").args(arguments).arg(&root).status();
        assert!(status.expect("scripts/setup --programs installs debootstrap").success());
    }
    root
}

fn run_in(root: &Path, script: &str) -> Output {
    Command::new("chroot").arg(root).args(["sh", "-ec", script]).output().expect("chroot starts")
}

fn succeed(root: &Path, script: &str) {
    let output = run_in(root, script);
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_find_object_programs_run_and_stacks_are_exact() {
    if !soak::is_long() || !may_administer() {
        return;
    }
    let root = root();
    let folder = root.join("tm-test");
    fs::create_dir_all(&folder).expect("the root folder can be written");
    fs::copy(&products().library, folder.join("libtm.so")).expect("as above");
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    for source in ["plugin.c", "opens.c", "closes_meanwhile.c"] {
        fs::copy(programs.join(source), folder.join(source)).expect("as above");
    }
    let build = "cd /tm-test; mountpoint -q /proc || mount -t proc proc /proc
        for i in 0 1 2 3 4 5 6 7 8 9; do gcc -O1 -shared -fPIC plugin.c -o l$i.so; done
        gcc -O1 -shared -fPIC plugin.c -Wl,-Ttext-segment=0x400000 -o low.so
        gcc -O1 opens.c -o opens -ldl; gcc -O1 closes_meanwhile.c -o closes_meanwhile -ldl -lpthread";
    succeed(&root, build);
    for (program, least) in
        [("opens ./low.so", 1), ("opens ./l1.so 50 ./l2.so", 1_050), ("closes_meanwhile .", 1_000)]
    {
        let under = "LD_PRELOAD=/tm-test/libtm.so TM_SELF_CHECK=1 TM_OUT=/tm-test/r.bin";
        let bare = run_in(&root, &format!("cd /tm-test; exec ./{program}"));
        let recorded = run_in(&root, &format!("cd /tm-test; rm -f r.bin; {under} exec ./{program}"));
        assert_eq!((bare.status, &bare.stdout), (recorded.status, &recorded.stdout), "{program}");
        let info = info(&folder.join("r.bin"));
        assert!(number(&info, "allocations") >= least, "{program}: {}", info["allocations"]);
        let sums = ["lost_events", "unknown_frees", "self_check_differences"].map(|key| number(&info, key));
        assert_eq!(sums, [0; 3], "{program}");
    }
    succeed(&root, "umount /proc");
}
