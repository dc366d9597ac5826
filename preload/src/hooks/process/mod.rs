//! Hooks of what a process does as a whole: it starts, restricts itself, becomes another program, ends; its threads get names.

pub mod exec;
pub mod restrict;
pub mod system;
pub mod thread_names;
