//! What standard output is: how wide, and whether it takes colour.

use std::io::{self, IsTerminal};

use crate::report::parts::style::Style;

/// Narrower terminals get the texts of this width: a table has no use for less.
const WIDTH_MIN: usize = 40;
/// The width of a terminal that does not say how wide it is.
const WIDTH_USUAL: usize = 80;

/// The style for standard output. What is no terminal gets lines of any length, since `grep` and editors want whole
/// paths, and no colour; neither does a terminal with `NO_COLOR` set or one that calls itself dumb.
pub fn style() -> Style {
    if !io::stdout().is_terminal() {
        return Style { is_ascii: is_ascii(), ..Style::default() };
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let width = terminal_width().unwrap_or(WIDTH_USUAL).max(WIDTH_MIN);
    Style {
        width: Some(width),
        is_full: false,
        colour: !is_set("NO_COLOR") && !is_dumb,
        is_ascii: is_ascii(),
    }
}

/// Whether the locale that the user has set has ASCII alone; where none is set, it has all.
fn is_ascii() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

fn terminal_width() -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which is valid for that long; a bad descriptor is an error.
    let failed = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } != 0;
    (!failed && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
