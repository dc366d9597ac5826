//! The terminal: taken over, and given back as it was, however the program ends.

use std::io::{self, stdout};
use std::path::Path;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType};

use super::sample::Sample;
use super::view::View;
use super::{screen, signals};
use crate::error::{Error, Result};
use crate::model::SourceFiles;

/// A terminal that is taken over as long as this lives.
pub struct Terminal {
    inner: DefaultTerminal,
    source: SourceFiles,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It cannot be.
    pub fn open() -> Result<Terminal> {
        show_cursor_on_panic();
        let inner = ratatui::try_init().map_err(|source| {
            give_back();
            error(source)
        })?;
        Ok(Terminal { inner, source: SourceFiles::default() })
    }

    /// Draws the screen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, view: &mut View, sample: &Sample) -> Result<()> {
        let source = &mut self.source;
        self.inner.autoresize().map_err(error)?;
        screen::fit(view, sample, self.inner.get_frame().area(), source);
        self.inner.draw(|frame| screen::draw(frame, view, sample, source)).map_err(error)?;
        Ok(())
    }

    /// What the user does, within `timeout`.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn event(&mut self, timeout: Duration) -> Result<Option<Event>> {
        match event::poll(timeout) {
            Ok(true) => event::read().map(Some).map_err(error),
            Ok(false) => Ok(None),
            // A signal: the caller looks.
            Err(source) if source.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(source) => Err(error(source)),
        }
    }

    /// Gives the terminal to the shell until the user comes back.
    ///
    /// # Errors
    /// It cannot be taken over again.
    pub fn suspend(&mut self) -> Result<()> {
        give_back();
        signals::stop();
        self.inner = ratatui::try_init().map_err(error)?;
        // Terminals that have no other screen show the shell's lines still. ratatui's own clearing asks for the cursor.
        execute!(stdout(), Clear(ClearType::All)).map_err(error)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Nobody is left to be told if that fails.
fn give_back() {
    let _ = ratatui::try_restore();
    let _ = execute!(stdout(), Show);
}

/// ratatui's own hook restores all but the cursor.
fn show_cursor_on_panic() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let _ = execute!(stdout(), Show);
        hook(info);
    }));
}

fn error(source: io::Error) -> Error {
    let error = Error::io("use", Path::new("the terminal"), source);
    Error::Message(format!("{error}; 'tmtool watch --once' prints one look as text"))
}
