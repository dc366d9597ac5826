//! How far the debug information is that servers are asked for, on a terminal's stderr.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::parts::human::{printable, size};
use tm_analyzer::symbolize::{Debuginfod, Progress};

/// How often the wheel turns.
const TURN: Duration = Duration::from_millis(200);
const TEMPLATE: &str = "{spinner} {wide_msg}";

/// The servers, which show what they are asked for; nothing, where standard error is no terminal.
pub fn servers() -> Arc<Debuginfod> {
    let line = Mutex::new(Line::default());
    Arc::new(Debuginfod::new(move |name, progress| {
        line.lock().unwrap_or_else(PoisonError::into_inner).show(name, progress);
    }))
}

/// The same, without a word: where the terminal shows something else.
pub fn silent_servers() -> Arc<Debuginfod> {
    Arc::new(Debuginfod::new(|_, _| ()))
}

/// The line: several files may be asked for at a time, of which it has the last that changed.
#[derive(Default)]
struct Line {
    n_asked: usize,
    bar: Option<ProgressBar>,
}

impl Line {
    fn show(&mut self, name: &str, progress: Progress) {
        match progress {
            Progress::Asked => {
                self.n_asked += 1;
                self.say(format!("asking for the debug information of {}", printable(name)));
            }
            Progress::Bytes(here, all) => {
                let of = all.map(|all| format!(" of {}", size(all))).unwrap_or_default();
                self.say(format!(
                    "fetching the debug information of {}: {}{of}",
                    printable(name),
                    size(here)
                ));
            }
            Progress::Over => {
                self.n_asked = self.n_asked.saturating_sub(1);
                if let Some(bar) = self.bar.take_if(|_| self.n_asked == 0) {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn say(&mut self, text: String) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TURN);
            bar
        });
        bar.set_message(text);
    }
}
