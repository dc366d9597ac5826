//! `tmtool attach` and `detach` on a processor for which they are not written: they say so.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::errors::{Error, Result};

/// What would be the arguments.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct AttachArgs {
    /// Nothing is made of them.
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// See [`AttachArgs`].
pub type DetachArgs = AttachArgs;

/// Begins to record a process that runs.
///
/// # Errors
/// Always.
pub fn attach(_: &AttachArgs) -> Result<ExitCode> {
    let machine = std::env::consts::ARCH;
    Err(Error::Message(format!(
        "attaching to a running process is written for x86_64 and not for this processor, {machine}; start it with 'tmtool run', \
         and idle with TM_START=0 if it is to be recorded later, by 'tmtool start'"
    )))
}

/// Ends that.
///
/// # Errors
/// Always.
pub fn detach(args: &DetachArgs) -> Result<ExitCode> {
    attach(args)
}
