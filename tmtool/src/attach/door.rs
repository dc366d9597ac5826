//! The door of a library that was brought into a process ([`tm_common::attach`]): where it is, and calls of its functions.

use std::time::Duration;

use tm_common::attach::{self, Door, IS_BROUGHT, MESSAGE_BYTES, Request, State, result};

use super::borrowed::{Borrowed, Failed, OWN_BYTES};
use super::elf::{Module, modules};
use super::memory::Memory;

/// What stands in a process of libtm.so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Library {
    /// It is not there.
    None,
    /// It was preloaded, or loaded by the program.
    Other,
    /// tmtool has brought it.
    Brought(Found),
}

/// A door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    at: u64,
    /// Calls come to the library.
    pub is_attached: bool,
    /// It is of the build of this tmtool, or of one like it.
    is_known: bool,
}

/// The functions behind the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Leads all calls to the library.
    Attach,
    /// Records from now on.
    Begin,
    /// Leads all calls back.
    Detach,
}

/// What a function has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One of [`result`].
    pub result: i32,
    /// The number of calls that were led.
    pub n_led: u64,
    /// What the library has to say.
    pub message: String,
}

/// Where the parts of what is handed over stand.
const SETTINGS_AT: usize = 4096;
/// The most bytes of settings.
pub const SETTINGS_BYTES_MAX: usize = {
    let kept = attach::SETTINGS_BYTES_MAX;
    (if OWN_BYTES < kept { OWN_BYTES } else { kept }) - SETTINGS_AT
};

impl Library {
    /// What is there; a preloaded one may have any name.
    pub fn of(memory: &Memory) -> Library {
        let modules = modules(memory);
        let door = |module: &Module| module.symbol(memory, attach::SYMBOL).map(|door| door.start);
        match modules.iter().find_map(door) {
            Some(at) => Found::at(memory, at).map_or(Library::Other, Library::Brought),
            None if modules.iter().any(|module| module.name() == "libtm.so") => Library::Other,
            None => Library::None,
        }
    }
}

impl Found {
    fn at(memory: &Memory, at: u64) -> Option<Found> {
        let is_brought = memory.half(at + Door::BROUGHT as u64) == Some(IS_BROUGHT);
        is_brought.then(|| Found {
            at,
            is_attached: memory.half(at + Door::STATE as u64) == Some(State::Attached as u32),
            is_known: memory.word(at) == Some(size_of::<Door>() as u64),
        })
    }

    /// Finds the door of the copy that was brought.
    pub fn in_copy(memory: &Memory) -> Option<Found> {
        let named = modules(memory).into_iter().filter(|module| module.name().ends_with("libtm.so"));
        named
            .filter_map(|copy| copy.symbol(memory, tm_common::attach::SYMBOL))
            .find_map(|it| Found::at(memory, it.start))
    }

    /// Has a borrowed thread call a function.
    ///
    /// # Errors
    /// The call has failed.
    pub fn call(
        &self,
        borrowed: &mut Borrowed<'_>,
        memory: &Memory,
        function: Function,
        settings: &[u8],
        patience: Duration,
    ) -> Result<Answer, Failed> {
        let refused = Answer { result: result::REFUSED, n_led: 0, message: String::new() };
        if !self.is_known {
            return Ok(refused);
        }
        let part = match function {
            Function::Attach => Door::ATTACH,
            Function::Begin => Door::BEGIN,
            Function::Detach => Door::DETACH,
        };
        let Some(function) = memory.word(self.at + part as u64) else { return Ok(refused) };
        let place = borrowed.own_place();
        let settings_at = place + SETTINGS_AT as u64;
        let mut request = vec![0u8; size_of::<Request>()];
        let words = [size_of::<Request>() as u64, settings_at, settings.len() as u64];
        for (bytes, word) in request.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        borrowed.write(place, &request)?;
        borrowed.write(settings_at, settings)?;
        let result = borrowed.call(function, [place, 0, 0], patience)? as i32;
        let n_led = memory.word(place + std::mem::offset_of!(Request, n_led) as u64).unwrap_or(0);
        let message = memory.text(place + std::mem::offset_of!(Request, message) as u64, MESSAGE_BYTES);
        Ok(Answer { result, n_led, message })
    }
}
