//! `tmtool watch` of running programs: the figures are theirs, and the terminal is given back however it ends.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::{Run, Running};
use tm_tests::wait;

/// A program that allocates on demand, and nothing else.
fn on_demand() -> Running {
    Run::new(compile("on_demand.c", &["-O0", "-g", "-pthread"])).with_input().start_recorded()
}

/// Waits until the program has answered with `n_lines` lines.
fn wait_for(program: &Running, n_lines: usize) {
    wait::until("the program's answer", || program.stdout_so_far().lines().count() >= n_lines);
}

fn tell(program: &mut Running, line: &str, n_lines: usize) {
    writeln!(program.child.stdin.as_mut().expect("it is piped"), "{line}").expect("it reads");
    wait_for(program, n_lines);
}

fn recording(program: &Running) -> PathBuf {
    program.recordings_so_far().into_iter().next().expect("it has allocated")
}

fn watch(arguments: &[&str]) -> Output {
    Command::new(&products().tmtool).arg("watch").args(arguments).output().expect("it was built")
}

/// One look, which succeeds.
fn look(arguments: &[&str]) -> String {
    let output = watch(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn a_look_has_the_figures_of_the_moment() {
    let mut program = on_demand();
    wait_for(&program, 1);
    let pid = program.child.id().to_string();
    let (mut blocks, mut bytes) = (1, 1);
    for (n_lines, (count, size)) in [(1_000, 1_000), (3, 500_000), (20_000, 16)].into_iter().enumerate() {
        tell(&mut program, &format!("{count} {size}"), n_lines + 2);
        (blocks, bytes) = (blocks + count, bytes + count * size);
        let text = look(&[&pid]);
        let kib = format!("{:.0} KiB", f64::from(bytes) / 1024.0);
        let thousands = format!("{},{:03}", blocks / 1_000, blocks % 1_000);
        assert!(
            text.contains(&format!("Live    {kib} in {thousands} blocks; peak {kib} in")),
            "{bytes}: {text}"
        );
        assert!(text.contains(&format!("pid {pid}  running ")), "{text}");
        let row = text.lines().find(|line| line.contains("on_demand.c:") && line.ends_with("  keep"));
        let figures: Vec<&str> = row.unwrap_or_default().split_whitespace().take(3).collect();
        assert_eq!(figures.join(" "), format!("{kib} {thousands}"), "{text}");
        assert_eq!(
            look(&[recording(&program).to_str().expect("it is text")]).lines().nth(2),
            text.lines().nth(2)
        );
    }
    let file = recording(&program);
    drop(program.child.stdin.take());
    let outcome = program.finish();
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(look(&[file.to_str().expect("it is text")]).contains(&format!("pid {pid}  ended after ")));
}

#[test]
fn one_that_was_killed_has_ended() {
    let mut program = on_demand();
    wait_for(&program, 1);
    let file = recording(&program);
    let text = || look(&[file.to_str().expect("it is text")]);
    assert!(text().contains("  running "));
    program.child.kill().expect("it is our child");
    program.child.wait().expect("it is our child");
    assert!(text().contains("  ended after "));
}

#[test]
fn what_cannot_be_watched_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let file = folder.path().join("a.bin");
    std::fs::write(&file, "neither a recording nor a snapshot").expect("it can be written");
    let own = std::process::id().to_string();
    for (what, expected) in [
        (file.to_str().expect("it is text"), "it is not a tm recording"),
        ("missing.bin", "cannot open missing.bin: no such file"),
        (folder.path().to_str().expect("it is text"), "is a directory"),
        (own.as_str(), "was not started under libtm.so"),
        ("8388608", "there is no process 8388608"),
    ] {
        let output = watch(&[what]);
        let text = String::from_utf8(output.stderr).expect("it is text");
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";
/// With every drawing: the pseudo-terminal of a test has no size, so there is no text to be seen.
const CURSOR_HIDDEN: &str = "\x1b[?25l";
const CURSOR_SHOWN: &str = "\x1b[?25h";

/// What a user does.
enum Act {
    Press(&'static str),
    /// Ends it by a signal.
    Terminate,
}

/// What a terminal is sent by `tmtool watch`, run by `wrapper`, when `acts` are done in it, each once the one before is
/// answered on the screen.
fn on_a_terminal(wrapper: &str, file: &str, acts: &[Act]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let (screen, pid) = (folder.path().join("screen"), folder.path().join("pid"));
    let tmtool =
        format!("sh -c 'echo $$ > {}; exec \"$@\"' sh {}", pid.display(), products().tmtool.display());
    let command = format!("{wrapper} {tmtool} watch {file}");
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &command, "/dev/null"]).env("TERM", "xterm");
    let script = script.stdin(Stdio::piped()).stdout(File::create(&screen).expect("as above"));
    let mut script = script.spawn().expect("util-linux is everywhere");
    let mut input = script.stdin.take().expect("it is piped");
    let shown = || String::from_utf8_lossy(&std::fs::read(&screen).expect("as above")).into_owned();
    wait::until("the first screen", || {
        shown().split_once(TAKEN).is_some_and(|(_, after)| after.contains(CURSOR_HIDDEN))
    });
    for act in acts {
        let before = shown().len();
        match act {
            Act::Press(key) => input.write_all(key.as_bytes()).expect("it reads"),
            Act::Terminate => {
                let pid = std::fs::read_to_string(&pid).expect("the shell has written it");
                // SAFETY: it takes numbers.
                let result = unsafe { libc::kill(pid.trim().parse().expect("it is a pid"), libc::SIGTERM) };
                assert_eq!(result, 0, "it runs");
            }
        }
        wait::until("an answer on the screen", || shown().len() > before);
    }
    let status = wait::for_some("the end of tmtool watch", || script.try_wait().expect("it is our child"));
    drop(input);
    (status.code(), shown())
}

#[test]
fn the_terminal_is_as_before_however_it_ends() {
    let mut program = on_demand();
    wait_for(&program, 1);
    tell(&mut program, "1000 1000", 2);
    let file = recording(&program).display().to_string();
    for (acts, code) in [
        ([" ", "t", "?", "q"].map(Act::Press).as_slice(), 0),
        (&["/on_demand", "\x03"].map(Act::Press), 0),
        (&[Act::Press("/x"), Act::Terminate], 128 + 15),
    ] {
        let (found, text) = on_a_terminal("", &file, acts);
        assert_eq!(found, Some(code), "{text:?}");
        let (taken, given) = (text.find(TAKEN), text.rfind(GIVEN_BACK));
        assert!(taken.is_some() && taken < given, "{text:?}");
        assert!(text.rfind("on_demand.c") < given && given < text.rfind(CURSOR_SHOWN), "{text:?}");
        assert!(text.rfind(CURSOR_HIDDEN) < text.rfind(CURSOR_SHOWN), "{text:?}");
    }
}

/// Runs its arguments as a job, stops that by a signal once it has taken the terminal, says how the terminal is then, and
/// lets it go on to its end.
const STOPPING_SHELL: &str = r#"
set -m
(
    until stty -a | grep -q -e '-icanon'; do sleep 0.1; done
    for pid in $(cat /proc/$$/task/$$/children); do
        [ "$pid" = "$BASHPID" ] || kill -TSTP "$pid"
    done
) &
"$@"
echo "stopped: $(stty -a | grep -o -e '-\?icanon')"
kill -TERM "$(jobs -p %%)"
fg
"#;

#[test]
fn a_signal_from_elsewhere_stops_it_as_the_keyboard_does() {
    let mut program = on_demand();
    wait_for(&program, 1);
    tell(&mut program, "1000 1000", 2);
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let shell = folder.path().join("stop.sh");
    std::fs::write(&shell, STOPPING_SHELL).expect("as above");
    let file = recording(&program).display().to_string();
    let (code, text) = on_a_terminal(&format!("bash {}", shell.display()), &file, &[]);
    assert_eq!(code, Some(128 + 15), "{text:?}");
    let mut rest = text.as_str();
    // In this order: it has given back the terminal before it stopped, and does again before it ends.
    for expected in [TAKEN, GIVEN_BACK, "stopped: icanon", TAKEN, GIVEN_BACK, CURSOR_SHOWN] {
        let (_, after) = rest.split_once(expected).unwrap_or_else(|| panic!("no {expected:?} in {text:?}"));
        rest = after;
    }
}
