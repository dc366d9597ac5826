//! `tmtool run`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::{Error, Result};

/// The arguments of `tmtool run`.
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
    Err(Error::Message(format!("cannot run {}: not a part of this tmtool", args.file.display())))
}
