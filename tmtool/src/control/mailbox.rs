//! Requests to a process: it obeys at its next allocation, and readers count them from the moment they are ready.
//!
//! ```text
//!  tmtool    locks the file, fills a FREE one --> READY, then ATTEND in the control word (for a stop IDLE as well)
//!  process   sees ATTEND, clears it, takes its READY ones in the order of their stamps --> a record of each, FREE
//! ```
//!
//! The process takes no lock. What it never saw stays READY when it ends, until its place is needed.

use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

use crate::errors::{Cause, Error, Result};
use tm_common::header::{Clock, MappedHeader, MappedRequest, REQUEST_NAME_BYTES, REQUESTS_MAX, request};
use tm_common::ids::{ProcessIndex, Stamp};
use tm_common::metadata::{CommandKind, control};
use tm_common::sampling::SampleRate;

use super::addressee::Addressee;
use super::find::Found;
use super::mapping::Shared;
use tm_analyzer::host::clock;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = REQUEST_NAME_BYTES - 1;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What a process is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// What.
    pub kind: CommandKind,
    /// For a start: [`tm_common::metadata::start_argument`].
    pub argument: u32,
    /// For a mark: its name, 1 to `NAME_BYTES_MAX` bytes.
    pub name: &'a str,
}

impl Order<'_> {
    fn check(&self) -> Result<()> {
        let len = self.name.len();
        if len > NAME_BYTES_MAX {
            let message = format!("a name of {len} bytes is too long; give one of at most {NAME_BYTES_MAX}");
            return Err(Error::Usage(message));
        }
        Ok(())
    }
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
    addressee: Addressee,
    clock: Clock,
}

impl Mailbox {
    /// The mailbox of the process that was found.
    ///
    /// # Errors
    /// Its recording may not be written to.
    pub fn of(found: &Found) -> Result<Mailbox> {
        let addressee = Addressee::new(found.process, found.target.pid);
        Ok(Mailbox { shared: Shared::of(found)?, addressee, clock: found.header.clock })
    }

    /// Whether it is traced.
    pub fn state(&self) -> State {
        state(self.shared.header(), self.shared.control(), self.addressee.process)
    }

    /// The rate at which it records; `None` if it is idle or asked for something.
    pub fn sample_rate(&self) -> Option<SampleRate> {
        // Relaxed: as in `state`.
        let word = self.shared.control().load(Ordering::Relaxed);
        (word & (control::IDLE | control::ATTEND) == 0).then(|| control::sample_rate(word))
    }

    /// Asks it for something.
    ///
    /// # Errors
    /// Its name is too long, its clock cannot be read here, or too many requests wait.
    pub fn post(&self, order: Order<'_>) -> Result<Posted> {
        order.check()?;
        let path = self.shared.path();
        let _lock = self.shared.lock()?;
        let now = || clock::now(&self.clock);
        now().ok_or_else(|| Cause::UnknownClock { path: path.to_owned() })?;
        let now = || now().unwrap_or_default();
        post(self.shared.header(), self.shared.control(), self.addressee, order, now).ok_or_else(|| {
            let what =
                format!("{REQUESTS_MAX} requests wait already for processes that have not allocated since");
            Error::Message(format!("{}: {what}; try again later", path.display()))
        })
    }

    /// Waits until it has seen a request, at most for `patience`; whether it has.
    pub fn wait(&self, posted: Posted, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while is_waiting(self.shared.header(), self.addressee.process, posted) {
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
    let waiting = header.requests.iter().filter(|it| it.is_ready_for(process)).filter_map(|it| {
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

/// `None` if there is no place. The caller holds the lock.
fn post(
    header: &MappedHeader,
    control: &AtomicU32,
    addressee: Addressee,
    order: Order<'_>,
    now: impl Fn() -> Stamp,
) -> Option<Posted> {
    let place = take_place(header, &addressee)?;
    let slot = header.requests.get(place)?;
    // Release: it is free before it says anything else, for who has seen that it was ready.
    fence(Ordering::Release);
    // Relaxed: published by the state.
    addressee.write(slot);
    slot.kind.store(order.kind as u32, Ordering::Relaxed);
    slot.argument.store(order.argument, Ordering::Relaxed);
    let mut bytes = [0; REQUEST_NAME_BYTES];
    bytes.iter_mut().zip(order.name.as_bytes()).for_each(|(byte, &of_name)| *byte = of_name);
    for (word, bytes) in slot.name.iter().zip(bytes.chunks_exact(8)) {
        word.store(bytes.try_into().map_or(0, u64::from_le_bytes), Ordering::Relaxed);
    }
    let stamp = now();
    slot.stamp.store(stamp.0, Ordering::Relaxed);
    // Release: publishes the request.
    slot.state.store(request::READY, Ordering::Release);
    let bits =
        if order.kind == CommandKind::Stop { control::ATTEND | control::IDLE } else { control::ATTEND };
    // Release: to the process, which acquires when it clears the bit, publishes that it is ready.
    control.fetch_or(bits, Ordering::Release);
    Some(Posted { place, stamp })
}

/// A free place for a request to `addressee`; without one that of the oldest request to a process that has ended, which is no command any more then.
fn take_place(header: &MappedHeader, addressee: &Addressee) -> Option<usize> {
    // Acquire: what the process has read of it was read before this, and of one that is ready receives who is asked.
    let state = |slot: &MappedRequest| slot.state.load(Ordering::Acquire);
    if let Some(free) = header.requests.iter().position(|slot| state(slot) == request::FREE) {
        return Some(free);
    }
    // Nobody but who holds the lock changes these.
    let of_ended = header
        .requests
        .iter()
        .enumerate()
        .filter(|(_, slot)| state(slot) == request::READY && Addressee::of(slot).has_ended(addressee));
    let (place, slot) = of_ended.min_by_key(|(_, slot)| slot.stamp.load(Ordering::Relaxed))?;
    // Relaxed: the caller's fence publishes it.
    slot.state.store(request::FREE, Ordering::Relaxed);
    Some(place)
}

/// Whether the request stands there still, and not another one in its place.
fn is_waiting(header: &MappedHeader, process: ProcessIndex, posted: Posted) -> bool {
    header.requests.get(posted.place).is_some_and(|slot| {
        slot.is_ready_for(process) && slot.stamp.load(Ordering::Relaxed) == posted.stamp.0
    })
}

#[cfg(test)]
mod tests;
