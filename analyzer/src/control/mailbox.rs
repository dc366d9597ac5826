//! Requests to a process: it obeys at its next allocation, and readers count them from the moment they are ready.
//!
//! ```text
//!  tmtool    FREE --claim--> WRITING --fill--> READY, then ATTEND in the control word (for a stop IDLE as well)
//!  process   sees ATTEND, clears it, takes its READY ones in the order of their stamps --> a record of each, FREE
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tm_common::header::{Clock, MappedHeader, MappedRequest, REQUEST_NAME_BYTES, REQUESTS_MAX, request};
use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::metadata::{CommandKind, control};

use super::find::Found;
use super::mapping::Shared;
use crate::error::{Error, Result};
use crate::reader::clock;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = REQUEST_NAME_BYTES - 1;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What a process is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// What.
    pub kind: CommandKind,
    /// Of a start, how many frames of each stack are to be kept.
    pub argument: u32,
    /// Of a mark, its name: 1 to [`NAME_BYTES_MAX`] bytes.
    pub name: &'a str,
}

/// Whether a process is traced, counting what it was asked and has not seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Events are recorded.
    Tracing,
    /// They are not.
    Idle,
}

/// A request that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    place: usize,
    /// When it was made, which is when it takes effect.
    pub stamp: Stamp,
}

/// The way to one process.
#[derive(Debug)]
pub struct Mailbox {
    shared: Shared,
    process: ProcessIndex,
    clock: Clock,
}

impl Mailbox {
    /// To the process that was found.
    ///
    /// # Errors
    /// Its recording may not be written to.
    pub fn of(found: &Found) -> Result<Mailbox> {
        Ok(Mailbox { shared: Shared::of(found)?, process: found.process, clock: found.header.clock })
    }

    /// Whether it is traced.
    pub fn state(&self) -> State {
        state(self.shared.header(), self.shared.control(), self.process)
    }

    /// Asks it for something.
    ///
    /// # Errors
    /// Its name is too long, its clock cannot be read here, or too many requests wait.
    pub fn post(&self, order: Order<'_>) -> Result<Posted> {
        let now = || clock::now(&self.clock);
        post(self.shared.header(), self.shared.control(), self.process, order, now)
    }

    /// Waits until it has seen a request, at most for `patience`; whether it has.
    pub fn wait(&self, posted: Posted, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while is_waiting(self.shared.header(), self.process, posted) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        true
    }
}

/// The latest start or stop that the process has not seen decides, else what it does.
fn state(header: &MappedHeader, control: &AtomicU32, process: ProcessIndex) -> State {
    // Relaxed: what somebody else changes at the same time may count or not.
    let word = control.load(Ordering::Relaxed);
    let waiting = header.requests.iter().filter(|it| is_ready(it, process)).filter_map(|it| {
        let kind = CommandKind::from_id(it.kind.load(Ordering::Relaxed))?;
        matches!(kind, CommandKind::Start | CommandKind::Stop)
            .then(|| (it.stamp.load(Ordering::Relaxed), kind))
    });
    match waiting.max_by_key(|(stamp, _)| *stamp) {
        Some((_, CommandKind::Start)) => State::Tracing,
        Some(_) => State::Idle,
        None if word & control::IDLE != 0 => State::Idle,
        None => State::Tracing,
    }
}

fn post(
    header: &MappedHeader,
    control: &AtomicU32,
    process: ProcessIndex,
    order: Order<'_>,
    now: impl Fn() -> Option<Stamp>,
) -> Result<Posted> {
    let name = order.name.as_bytes();
    if name.len() > NAME_BYTES_MAX {
        let message = format!("the name has {} bytes; at most {NAME_BYTES_MAX} are kept", name.len());
        return Err(Error::Usage(message));
    }
    let no_clock = || Error::Message("this machine has not the clock that the recording has".to_owned());
    // Before a place is claimed, which nobody would free.
    now().ok_or_else(no_clock)?;
    let free = header.requests.iter().position(|it| {
        // Acquire: what the one before has read of it was read before this.
        let claimed =
            it.state.compare_exchange(request::FREE, request::WRITING, Ordering::Acquire, Ordering::Relaxed);
        claimed.is_ok()
    });
    let Some((place, slot)) = free.and_then(|place| Some((place, header.requests.get(place)?))) else {
        return Err(Error::Message(format!(
            "{REQUESTS_MAX} requests wait already for processes that have not allocated since; try again later"
        )));
    };
    // Relaxed: published by the state.
    slot.process.store(process.0, Ordering::Relaxed);
    slot.kind.store(order.kind as u32, Ordering::Relaxed);
    slot.argument.store(order.argument, Ordering::Relaxed);
    let mut bytes = [0; REQUEST_NAME_BYTES];
    bytes.iter_mut().zip(name).for_each(|(byte, &of_name)| *byte = of_name);
    for (word, bytes) in slot.name.iter().zip(bytes.chunks_exact(8)) {
        word.store(bytes.try_into().map_or(0, u64::from_le_bytes), Ordering::Relaxed);
    }
    let stamp = now().unwrap_or_default();
    slot.stamp.store(stamp.0, Ordering::Relaxed);
    // Release: publishes the request.
    slot.state.store(request::READY, Ordering::Release);
    let bits =
        if order.kind == CommandKind::Stop { control::ATTEND | control::IDLE } else { control::ATTEND };
    // Release: to the process, which acquires when it clears the bit, publishes that it is ready.
    control.fetch_or(bits, Ordering::Release);
    Ok(Posted { place, stamp })
}

fn is_ready(slot: &MappedRequest, process: ProcessIndex) -> bool {
    // Acquire: receives the request.
    slot.state.load(Ordering::Acquire) == request::READY && slot.process.load(Ordering::Relaxed) == process.0
}

/// Whether the request stands there still, and not another one in its place.
fn is_waiting(header: &MappedHeader, process: ProcessIndex, posted: Posted) -> bool {
    header
        .requests
        .get(posted.place)
        .is_some_and(|slot| is_ready(slot, process) && slot.stamp.load(Ordering::Relaxed) == posted.stamp.0)
}

#[cfg(test)]
mod tests;
