//! A Perfetto trace with heap profiles, for ui.perfetto.dev and trace_processor: what each stack allocated and freed, of each
//! process and domain, up to its peak and up to the end. Perfetto makes live bytes of it.

mod interned;
mod trace;

pub use trace::{HeapDump, Perfetto, PerfettoProcess, Site};
