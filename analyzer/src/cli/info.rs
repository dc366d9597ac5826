//! `tmtool info`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::{Error, Result};

/// The arguments of `tmtool info`.
#[derive(clap::Args)]
pub struct Args {
    /// The file.
    file: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Always.
pub fn run(args: &Args) -> Result<ExitCode> {
    Err(Error::Message(format!("cannot info {}: not a part of this tmtool", args.file.display())))
}
