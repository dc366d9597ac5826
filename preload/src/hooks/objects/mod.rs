//! Hooks of the functions that load objects, and how the calls of loaded objects are led to us.

mod known;
mod leading;
pub mod loading;
mod opening;
pub mod redirect;
