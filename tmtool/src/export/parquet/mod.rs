//! Tables of a recording as Parquet files, for DuckDB, Spark and the like: many recordings stand in one folder and are asked
//! together, `docs/fleet.md`.
//!
//! ```text
//! FOLDER/meta/NAME.parquet     a row for each process      by run, pid
//!        blocks/               each block's life           by run, pid; stack_id
//!        stacks/               each frame of each stack    by run, stack_id; frame_id
//!        frames/               each frame                  by run, frame_id
//! ```

mod blocks;
mod export;
mod folder;
mod names;
mod run;
mod table;

pub use export::export;
