//! `tmtool man`: the manual pages, made of the help texts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap_mangen::Man;

use super::print;
use crate::error::{Error, Result};

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
    let Some(folder) = &args.folder else {
        print(&page(of)?.1)?;
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    let mut n_pages = 0;
    for command in pages(of) {
        let (name, text) = page(command)?;
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Error::io("write", &path, error))?;
        n_pages += 1;
    }
    print(&format!("{n_pages} manual pages are in {}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The command line as a whole, and each command under its full name.
fn pages(mut of: clap::Command) -> Vec<clap::Command> {
    of.build();
    let commands = of.get_subcommands().filter(|command| command.get_name() != "help").cloned();
    let named = commands.map(|command| {
        let name = format!("tmtool-{}", command.get_name());
        command.name(name)
    });
    let named: Vec<clap::Command> = named.collect();
    [vec![of], named].concat()
}

/// A page's file name and text.
fn page(command: clap::Command) -> Result<(String, String)> {
    let man = Man::new(command);
    let name = man.get_filename();
    let mut text = Vec::new();
    let failed = |error| Error::io("write", Path::new(&name), error);
    man.render(&mut text).map_err(failed)?;
    Ok((name, String::from_utf8_lossy(&text).into_owned()))
}
