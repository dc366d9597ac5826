//! `tmtool man`: the manual pages, made of the help texts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap_mangen::Man;

use crate::cli::print;
use crate::errors::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  tmtool man | man -l -                    tmtool(1)
  tmtool man ~/.local/share/man/man1       tmtool(1), and tmtool-stats(1) and so on, one for each command";

/// The arguments of `tmtool man`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write all pages into this folder, which is made if need be; without it, tmtool(1) goes to standard output.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Writes the pages of the command line `of`.
///
/// # Errors
/// If a page cannot be written.
pub fn run(args: &Args, of: clap::Command) -> Result<ExitCode> {
    match &args.folder {
        None => {
            let mut page = Vec::new();
            let stdout = Path::new("standard output");
            Man::new(of).render(&mut page).map_err(|error| Error::io("write to", stdout, error))?;
            print(&String::from_utf8_lossy(&page))?;
        }
        Some(folder) => {
            fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
            clap_mangen::generate_to(of, folder).map_err(|error| Error::io("write to", folder, error))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
