//! What a user sees of samples and does to them: a session at the terminal, or one look as plain text.

pub mod column;
pub mod list;
pub mod view;

pub mod keys;

mod words;

pub mod plain;
pub mod screen;

mod signals;
mod terminal;

mod session;

pub use session::run;
