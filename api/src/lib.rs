//! What a program may ask of the heap profiler tm while it runs: the calls of `tm.h`, for Rust. CPython's tracemalloc, for
//! native code.
//!
//! Where `libtm.so` is loaded (`LD_PRELOAD=libtm.so ./prog`, or linked) the calls work; where it is not, each does nothing
//! and returns [`Error::NotLoaded`], so a program may keep them for good: nothing is linked, and a call costs one load.
//!
//! ```
//! tm::start(25).or_else(|error| if error == tm::Error::NotLoaded { Ok(()) } else { Err(error) })?;
//! let sessions = vec![0_u8; 4096];
//! match tm::traced_memory() {
//!     Ok((current, peak)) => println!("{current} bytes now, {peak} at most"),
//!     Err(error) => println!("{error}"), // tm is not loaded: run the program under libtm.so
//! }
//! if let Ok(traceback) = tm::object_traceback(sessions.as_ptr()) {
//!     print!("{traceback}");
//! }
//! # Ok::<(), tm::Error>(())
//! ```
//!
//! The names are those of the header without `tm_`, and without `get_` as is the custom in Rust. What the header says of
//! units, threads, signal handlers and costs holds here too; commands ([`start`], [`take_snapshot`], [`track`], [`tag`] and
//! their like) allocate nothing. Sizes are the bytes that were asked for.
//!
//! ```text
//! recording  memory  snapshot  traceback  tracking  total_size  tag      the calls
//!                              error                                     what they return
//!                          table  layout                                 libtm.so's functions, as C lays them out
//! ```

mod layout;
#[cfg(test)]
mod layout_tests;
mod table;

mod error;
mod name;

mod memory;
mod python;
mod recording;
mod snapshot;
mod tag;
mod total_size;
mod traceback;
mod tracking;

pub use error::{Error, Result};
pub use memory::{domain_memory, reset_peak, traced_memory, tracemalloc_memory};
pub use python::python_objects;
pub use recording::{clear_traces, is_loaded, is_tracing, start, start_sampled, stop, traceback_limit};
pub use snapshot::{dump_snapshot, take_snapshot};
pub use tag::{Tag, tag};
pub use total_size::{Block, Follow, Options, SizeByDepth, SizeByLine, TotalSize, Walk, total_size};
pub use traceback::{Frame, Traceback, object_traceback};
pub use tracking::{Domain, name_domain, track, untrack};
