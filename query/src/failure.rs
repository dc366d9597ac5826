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

/// Returns the result code of an outcome. The first [`Failure::Failed`] in a process's life is said.
pub fn code(outcome: Answer<()>) -> c_int {
    static SAID: AtomicBool = AtomicBool::new(false);
    match outcome {
        Ok(()) => result::OK,
        Err(Failure::NotFound) => result::NOT_FOUND,
        Err(Failure::NotTracing) => result::NOT_TRACING,
        Err(Failure::Failed(why)) => {
            // Relaxed: decides who speaks.
            if !SAID.swap(true, Relaxed) {
                say(&why);
            }
            result::FAILED
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
