//! A process that cannot be attached to, or should not be, is left as it is, and one sentence says why.

use std::fs;
use std::process::Command;

use tm_tests::attached::{Target, program, refused, tmtool};
use tm_tests::products::products;
use tm_tests::programs::{compile, copy_program, installed};
use tm_tests::run::{Run, may_administer};
use tm_tests::wait;

#[test]
fn a_filter_is_looked_at_before_it_can_end_the_process() {
    for (call, name, is_refused) in [
        (libc::SYS_openat, "openat", true),
        (libc::SYS_ppoll, "ppoll", true),
        (libc::SYS_ptrace, "ptrace", false),
        (libc::SYS_memfd_create, "memfd_create", false),
    ] {
        let target = Target::start(&Run::new(program()).args(["wait", "1", &call.to_string()]));
        let pid = target.pid();
        if is_refused {
            let sentence = refused(&["attach", &pid]);
            assert!(sentence.contains(&format!("does not let it call {name}")), "{sentence}");
        } else {
            target.attach(true);
            target.detach();
            fs::remove_file(&target.recording).expect("it is there");
        }
        let (outcome, _) = target.finish();
        assert_eq!(outcome.stdout, "ready\n0 failures\n", "{name}: {outcome:?}");
    }
}

#[test]
fn what_cannot_be_attached_to_is_said_in_one_sentence() {
    let attach = |pid: u32| refused(&["attach", &pid.to_string()]);
    assert!(attach(1 << 23).contains("there is no process 8388608"));
    let mut zombie = Command::new("true").spawn().expect("it is installed");
    let zombie_pid = zombie.id();
    wait::until("it ends", || {
        fs::read_to_string(format!("/proc/{zombie_pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    });
    assert!(attach(zombie_pid).contains("has ended"), "a zombie");
    zombie.wait().expect("it is our child");
    let itself = Command::new("sh").args(["-c", "exec \"$0\" attach $$"]).arg(&products().tmtool).output();
    let itself = String::from_utf8(itself.expect("it starts").stderr).expect("it is text");
    assert!(itself.contains("is this tmtool itself"), "{itself}");
    // The kernel's own threads are children of process 2, where they are seen.
    if fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        assert!(attach(2).contains("a thread of the kernel's"));
    }
    let fixed = compile("attached.cc", &["-O1", "-g", "-pthread", "-std=c++17", "-static"]);
    let target = Target::start(&Run::new(fixed).args(["wait", "1"]));
    let sentence = refused(&["attach", &target.pid()]);
    assert!(sentence.contains("is statically linked"), "{sentence}");
    assert_eq!(target.finish().0.stdout, "ready\n0 failures\n");
}

#[test]
fn what_is_recorded_already_is_left_alone() {
    let target = Target::start(&Run::new(program()).args(["wait", "1"]));
    let pid = target.pid();
    assert!(refused(&["detach", &pid]).contains("is not attached to"));
    target.attach(true);
    assert!(refused(&["attach", &pid]).contains("is attached to already"));
    target.detach();
    assert!(refused(&["detach", &pid]).contains("is not attached to any more"));
    let again = tmtool(&["attach", &pid, "-o", "/tmp/other.bin"]);
    assert_eq!(again.status.code(), Some(2), "its recording goes on: {again:?}");
    fs::remove_file(&target.recording).expect("it is there");
    assert_eq!(target.finish().0.stdout, "ready\n0 failures\n");

    let mut preloaded = Run::new(program()).args(["wait", "1"]).with_input().start_recorded();
    wait::until("it is ready", || preloaded.stdout_so_far() == "ready\n");
    let pid = preloaded.child.id().to_string();
    assert!(refused(&["attach", &pid]).contains("was started under it"));
    assert!(refused(&["detach", &pid]).contains("was started under libtm.so"));
    drop(preloaded.child.stdin.take());
    assert!(preloaded.finish().status.success());
}

#[test]
fn another_user_s_process_is_not_attached_to() {
    if !may_administer() {
        return;
    }
    let target = Target::start(&Run::new(program()).args(["wait", "1"]));
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    // Where anybody may execute them.
    for product in [&products().tmtool, &products().library] {
        let to = folder.path().join(product.file_name().expect("it is a file"));
        copy_program(product, &to);
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("it is ours");
    let output = Command::new(installed("setpriv"))
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(folder.path().join("tmtool"))
        .args(["attach", &target.pid()])
        .output()
        .expect("it starts");
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && sentence.contains("is another user's (uid 0)"), "{sentence}");
    assert_eq!(target.finish().0.stdout, "ready\n0 failures\n");
}
