//! A session at the terminal: samples come, keys are pressed, the screen is drawn.

use std::time::Duration;

use ratatui::crossterm::event::Event;

use super::keys::Action;
use super::signals::{Signals, obey};
use super::terminal::Terminal;
use super::view::View;
use crate::errors::Result;
use crate::watch::data::sample::Sample;
use crate::watch::data::source::{Choice, Source};
use crate::watch::data::worker::{Request, Worker};

/// How long the user is waited for before it is looked whether there is a new sample.
const PATIENCE: Duration = Duration::from_millis(50);

impl View {
    fn request(&self, at_once: bool) -> Request {
        let choice = Choice { key_type: self.key_type, memory_kind: self.memory_kind };
        Request { choice, interval: (!self.is_paused).then_some(self.interval), at_once }
    }
}

/// Shows `source`, whose first sample is given, until the user has seen enough.
///
/// # Errors
/// The recording cannot be read any more, or the terminal cannot be used; it is as it was before.
pub fn run(source: Source, mut sample: Sample, mut view: View) -> Result<()> {
    let signals = Signals::notice();
    let mut terminal = Terminal::open(source.search())?;
    let worker = Worker::start(source, view.request(false));
    view.update(&sample);
    let mut is_new = true;
    while signals.caught().is_none() {
        if is_new {
            terminal.draw(&mut view, &sample)?;
        }
        let event = terminal.event(PATIENCE)?;
        is_new = event.is_some();
        let action = match event {
            Some(Event::Key(key)) => view.press(key, &sample),
            _ if signals.is_to_stop() => Action::Suspend,
            // It has another size.
            _ => Action::Nothing,
        };
        match action {
            Action::Nothing => {}
            Action::Ask => worker.ask(view.request(false)),
            Action::Refresh => worker.ask(view.request(true)),
            Action::Suspend => {
                terminal.suspend()?;
                is_new = true;
            }
            Action::Quit => break,
        }
        if let Some(latest) = worker.latest()? {
            sample = latest;
            view.update(&sample);
            is_new = true;
        }
    }
    drop(terminal);
    if let Some(signal) = signals.caught() {
        obey(signal);
    }
    Ok(())
}
