//! Why a call did not do what it was asked to.

use std::ffi::c_int;
use std::fmt;

/// The reasons why a call has not done its work, `enum tm_result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// tm has no memory left, or the recording cannot grow.
    NoMemory,
    /// Nothing is recorded now.
    NotTracing,
    /// `libtm.so` is not in this process, or is older than this call.
    NotLoaded,
    /// An argument is out of its range.
    Invalid,
    /// There is no such traced block.
    NotFound,
    /// The call was made in a handler or visitor, or while a call of this thread is interrupted.
    Busy,
    /// The question could not be answered; one line on standard error says why, the first time.
    Failed,
}

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns what a result of C's says; `Ok` of numbers that are not negative.
    pub(crate) fn check(result: c_int) -> Result<c_int> {
        match result {
            0.. => Ok(result),
            -1 => Err(Error::NoMemory),
            -2 => Err(Error::NotTracing),
            -3 => Err(Error::NotLoaded),
            -4 => Err(Error::Invalid),
            -5 => Err(Error::NotFound),
            -6 => Err(Error::Busy),
            // -7, and what later versions add.
            _ => Err(Error::Failed),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Error::NoMemory => "tm has no memory left, or its recording cannot grow",
            Error::NotTracing => "tm is not tracing: call tm::start first",
            Error::NotLoaded => "tm is not loaded: run the program under libtm.so",
            Error::Invalid => "an argument of a call of tm is out of its range",
            Error::NotFound => "there is no such block that tm has traced",
            Error::Busy => "a call of tm of this thread is under way",
            Error::Failed => "tm could not answer; it has said why on standard error",
        })
    }
}

impl std::error::Error for Error {}
