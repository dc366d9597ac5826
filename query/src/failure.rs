//! Why a question has no answer: a code for the caller and, for what nobody expects, a line on standard error.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tm_common::api::result;

/// An answer, or why there is none.
pub type Answer<T> = Result<T, Failure>;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no such block.
    NotFound,
    /// Nothing is recorded now.
    NotTracing,
    /// It could not be answered, as a sentence.
    Failed(String),
}

impl Failure {
    /// As C has it. What failed is said the first time in a process's life.
    pub fn code(&self) -> c_int {
        static SAID: AtomicBool = AtomicBool::new(false);
        match self {
            Failure::NotFound => result::NOT_FOUND,
            Failure::NotTracing => result::NOT_TRACING,
            Failure::Failed(why) => {
                // Relaxed: decides who speaks.
                if !SAID.swap(true, Relaxed) {
                    say(why);
                }
                result::FAILED
            }
        }
    }
}

impl From<tm_analyzer::error::Error> for Failure {
    fn from(error: tm_analyzer::error::Error) -> Failure {
        Failure::Failed(error.to_string())
    }
}

/// Writes a line on standard error, in one piece and without a lock, which a forked child might find taken.
pub fn say(line: &str) {
    let text = format!("tm: {line}\n");
    // SAFETY: the text is as long as it says. What cannot be said is not said.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
