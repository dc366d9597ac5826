//! The terminal: taken over, and given back as it was, however the program ends.

use std::io::{self, stdout};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType};

use super::view::View;
use super::{screen, signals};
use crate::errors::{Error, Result};
use crate::watch::data::sample::Sample;
use tm_analyzer::symbolize::{Search, SourceFiles};

/// A terminal that is taken over as long as this lives.
pub struct Terminal {
    /// Its own drop would tell a closed terminal that it is closed, and panic. `give_back` does what is needed.
    inner: ManuallyDrop<DefaultTerminal>,
    source: SourceFiles,
}

impl Terminal {
    /// Takes the terminal over. Source lines are those of files at the places of `search`.
    ///
    /// # Errors
    /// It cannot be.
    pub fn open(search: &Arc<Search>) -> Result<Terminal> {
        show_cursor_on_panic();
        let inner = ratatui::try_init().map_err(|source| {
            give_back();
            error(source)
        })?;
        Ok(Terminal { inner: ManuallyDrop::new(inner), source: SourceFiles::default().looking_in(search) })
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
        // What was read already comes first, and then what comes within the time.
        for timeout in [Duration::ZERO, timeout] {
            wait_for_input(timeout).map_err(error)?;
            match event::poll(Duration::ZERO) {
                Ok(true) => return event::read().map(Some).map_err(error),
                Ok(false) => {}
                // A signal: the caller looks.
                Err(source) if source.kind() == io::ErrorKind::Interrupted => return Ok(None),
                Err(source) => return Err(error(source)),
            }
        }
        Ok(None)
    }

    /// Gives the terminal to the shell until the user comes back.
    ///
    /// # Errors
    /// It cannot be taken over again.
    pub fn suspend(&mut self) -> Result<()> {
        give_back();
        signals::stop();
        self.inner = ManuallyDrop::new(ratatui::try_init().map_err(error)?);
        // Terminals that have no other screen show the shell's lines still. ratatui's own clearing asks for the cursor.
        execute!(stdout(), Clear(ClearType::All)).map_err(error)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Waits until there is input, a signal comes or the time is over. An error if the terminal has been closed: crossterm would
/// read its end for ever.
fn wait_for_input(timeout: Duration) -> io::Result<()> {
    let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one entry, which lives meanwhile.
    unsafe { libc::poll(&mut input, 1, timeout) };
    if input.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
        return Err(io::Error::from_raw_os_error(libc::EIO));
    }
    Ok(())
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
