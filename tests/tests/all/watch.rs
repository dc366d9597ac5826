//! `tmtool watch` of running programs: the figures are theirs, and the terminal is given back however it ends.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::{Run, Running};
use tm_tests::terminal::Terminal;
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
/// With every drawing.
const CURSOR_HIDDEN: &str = "\x1b[?25l";
const CURSOR_SHOWN: &str = "\x1b[?25h";
/// A line of the table: where the program allocates.
const LOCATION: &str = "on_demand.c:";

/// `tmtool watch` of `file`.
fn watching(file: &str) -> Command {
    let mut command = Command::new(&products().tmtool);
    command.args(["watch", file]);
    command
}

/// A terminal in which `command` has drawn its first screen.
fn on_a_terminal(command: Command) -> Terminal {
    let mut terminal = Terminal::start(command);
    wait::until("the first screen", || {
        let shown = terminal.shown();
        let drawn = shown.split_once(TAKEN).and_then(|(_, after)| after.split_once(LOCATION));
        drawn.is_some_and(|(_, after)| after.contains(CURSOR_HIDDEN))
    });
    terminal
}

/// What a user does.
enum Act {
    Press(&'static str),
    /// Ends it by a signal.
    Terminate,
}

fn act(terminal: &mut Terminal, act: &Act) {
    let before = terminal.shown().len();
    match act {
        Act::Press(keys) => terminal.press(keys),
        Act::Terminate => {
            // SAFETY: it takes numbers.
            let result = unsafe { libc::kill(terminal.child.id() as i32, libc::SIGTERM) };
            assert_eq!(result, 0, "it runs");
        }
    }
    wait::until("an answer on the screen", || terminal.shown().len() > before);
}

#[test]
fn the_terminal_is_as_before_however_it_ends() {
    let mut program = on_demand();
    wait_for(&program, 1);
    tell(&mut program, "1000 1000", 2);
    let file = recording(&program).display().to_string();
    for (acts, code, signal) in [
        ([" ", "t", "?", "q"].map(Act::Press).as_slice(), Some(0), None),
        (&["/on_demand", "\x03"].map(Act::Press), Some(0), None),
        (&[Act::Press("/x"), Act::Terminate], None, Some(libc::SIGTERM)),
    ] {
        let mut terminal = on_a_terminal(watching(&file));
        for one in acts {
            act(&mut terminal, one);
        }
        let (status, text) = terminal.end();
        assert_eq!((status.code(), status.signal()), (code, signal), "{text:?}");
        let last = |what: &str| text.rfind(what).unwrap_or_else(|| panic!("no {what:?} in {text:?}"));
        assert!(text.find(TAKEN).expect("it was awaited") < last(GIVEN_BACK), "{text:?}");
        assert!(last(LOCATION) < last(GIVEN_BACK) && last(GIVEN_BACK) < last(CURSOR_SHOWN), "{text:?}");
        assert!(last(CURSOR_HIDDEN) < last(CURSOR_SHOWN), "{text:?}");
    }
}

/// Ended by the hang-up, or because it finds the terminal gone before that comes. If it is to ignore the one (`nohup`), by the
/// other, and says so.
#[test]
fn a_terminal_that_is_closed_ends_it() {
    let mut program = on_demand();
    wait_for(&program, 1);
    tell(&mut program, "1000 1000", 2);
    let file = recording(&program).display().to_string();
    let status = on_a_terminal(watching(&file)).close();
    assert!(status.signal() == Some(libc::SIGHUP) || status.code() == Some(1), "{status:?}");

    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let said = folder.path().join("said");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\" 2>\"$0\""]).arg(&said);
    command.arg(&products().tmtool).args(["watch", &file]);
    let status = on_a_terminal(command).close();
    let said = std::fs::read_to_string(&said).expect("as above");
    assert_eq!((status.code(), said.lines().count()), (Some(1), 1), "{status:?} {said}");
    assert!(said.starts_with("tmtool: cannot use the terminal: "), "{said}");
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
    let mut command = Command::new("bash");
    command.arg(&shell).arg(&products().tmtool).arg("watch").arg(recording(&program));
    let (status, text) = on_a_terminal(command).end();
    assert_eq!(status.code(), Some(128 + 15), "{text:?}");
    let mut rest = text.as_str();
    // In this order: it has given back the terminal before it stopped, and does again before it ends.
    for expected in [TAKEN, GIVEN_BACK, "stopped: icanon", TAKEN, GIVEN_BACK, CURSOR_SHOWN] {
        let (_, after) = rest.split_once(expected).unwrap_or_else(|| panic!("no {expected:?} in {text:?}"));
        rest = after;
    }
}
