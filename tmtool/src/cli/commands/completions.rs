//! `tmtool completions`: a script that completes tmtool's command lines, for a shell.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::cli::print;
use crate::errors::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  tmtool completions bash > ~/.local/share/bash-completion/completions/tmtool
  tmtool completions zsh > \"${fpath[1]}/_tmtool\"
  tmtool completions fish > ~/.config/fish/completions/tmtool.fish";

/// The arguments of `tmtool completions`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for the command line `of`.
///
/// # Errors
/// If standard output cannot be written.
pub fn run(args: &Args, mut of: clap::Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut of, "tmtool", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::Message(format!("cannot write the completions: {error}")))?;
    print(&script)?;
    Ok(ExitCode::SUCCESS)
}
