//! Hooks of CPython's own allocators, in place while they are asked for: `TM_PYTHON_OBJECTS=1`, or
//! `tm_python_objects` of `tm_python.h`.

pub mod allocators;
mod references;
pub mod tracks;
mod wrappers;
