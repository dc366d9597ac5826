//! How far a long reading is, on a terminal and nowhere else: of every export, report and gate as of `tmtool stats`.

use std::process::Command;

use tempfile::TempDir;
use tm_tests::products::products;
use tm_tests::programs::compile;
use tm_tests::run::Run;
use tm_tests::soak;
use tm_tests::terminal::Terminal;
use tm_tests::wait;
use tmtool::export::FORMATS;

/// The commands, with the words after FILE.
fn commands() -> Vec<(Vec<&'static str>, Vec<String>)> {
    let output = |ending: &str| vec!["-o".to_owned(), format!("out{ending}")];
    let mut commands = vec![
        (vec!["stats"], Vec::new()),
        (vec!["check"], vec!["--budget".to_owned(), "budget.toml".to_owned()]),
        (vec!["report"], output(".html")),
    ];
    commands.extend(FORMATS.iter().map(|format| (vec!["export", format.name], output(format.suffix))));
    commands
}

/// A short form can see only that nothing is shown where it must not be: what takes less than a second shows nothing anywhere.
#[test]
fn a_terminal_is_shown_how_far_it_is_and_a_pipe_is_not() {
    let folder = TempDir::new().expect("the temporary folder can be written");
    std::fs::write(folder.path().join("budget.toml"), "[total]\npeak = \"64 GiB\"\n")
        .expect("it can be written");
    let n_events = soak::times(1_000, 150_000_000).to_string();
    let churn = Run::new(compile("bench/churn.c", &["-O2", "-pthread"])).args([&n_events, "5", "1"]);
    let recorded = churn.recorded();
    for (words, more) in commands() {
        let command = || {
            let mut command = Command::new(&products().tmtool);
            command.current_dir(folder.path()).args(&words).arg(recorded.recording()).args(&more);
            command
        };
        let output = command().output().expect("it was built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains(" to go") && !said.contains('\r'),
            "{words:?}: {said}"
        );
        if soak::is_long() {
            let mut terminal = Terminal::start(command());
            let mut shown = String::new();
            wait::until("the end of the command", || {
                shown.clone_from(&terminal.shown());
                terminal.child.try_wait().expect("it is ours").is_some()
            });
            assert!(shown.contains(" to go"), "{words:?}: {shown}");
        }
    }
}
