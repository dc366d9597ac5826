//! The page of `tmtool report`: one HTML file with all that it shows, made of a recording or of snapshots.
//!
//! ```text
//! recording  -> of_recording --+
//!                              +-> whole -> fold -> render (data) -> embed -> HTML
//! snapshots  -> of_profiles  --+
//! ```
//!
//! What the page does with the data is `web/`; what it reads is [`data`], which is `web/src/format.ts`.

pub mod data;
pub mod embed;
mod fold;
mod names;
mod notices;
pub mod of_profiles;
pub mod of_recording;
pub mod render;
mod small;
mod sources;
pub mod whole;

#[cfg(test)]
mod tests;
