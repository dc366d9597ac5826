//! What standard output is: how wide, and whether it takes colour.

use std::io::{self, IsTerminal};

use crate::report::style::Style;

/// Narrower terminals get the texts of this width: a table has no use for less.
const WIDTH_MIN: usize = 80;

/// The style for standard output. What is no terminal gets lines of any length, since `grep` and editors want whole
/// paths, and no colour; neither does a terminal with `NO_COLOR` set or one that calls itself dumb.
pub fn style() -> Style {
    if !io::stdout().is_terminal() {
        return Style::default();
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let width = terminal_width().unwrap_or(WIDTH_MIN).max(WIDTH_MIN);
    Style { width: Some(width), is_full: false, colour: !is_set("NO_COLOR") && !is_dumb }
}

fn terminal_width() -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which is valid for that long; a bad descriptor is an error.
    let failed = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } != 0;
    (!failed && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
