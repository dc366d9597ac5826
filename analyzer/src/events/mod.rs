//! From a recording's streams to its events: records decoded, a batch ahead of the reader, and the streams of a process
//! merged in the order of their stamps. What the events mean for blocks is [`crate::replay`]'s.
//!
//! ```text
//! records (bytes -> events) -> stream (segments) -> read_ahead (threads) -> merge (by stamp)
//! ```

mod block;
mod damage;
mod event;

mod event_stream;
mod records;
mod stream;

mod read_ahead;

mod merge;

mod duration;
mod position;

pub use block::{Block, SIZE_MAX};
pub use damage::Damage;
pub use event::{Action, MergedEvent, Total};
pub use event_stream::EventStream;
pub use merge::Merge;
pub use read_ahead::StreamEvents;

pub(crate) use block::SIZE_BITS;
pub(crate) use event::State;
pub(crate) use position::position;
pub(crate) use read_ahead::Decoders;
pub(crate) use records::{DamagedFrom, RecordDecoder};
