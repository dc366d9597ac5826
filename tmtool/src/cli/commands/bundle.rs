//! `tmtool bundle`: a recording with all names that it needs, compressed; every command reads it where nothing else is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::pack::{failed, sizes, write_recording};
use crate::cli::args::search::SearchArgs;
use crate::cli::programs;
use crate::errors::{Result, StreamError};
use crate::report::parts::human;
use crate::report::symbols::SymbolsReport;
use tm_analyzer::files::whole;
use tm_analyzer::pack::bundle;
use tm_analyzer::reader::Recording;
use tm_analyzer::snapshot::Namer;
use tm_analyzer::symbolize::Search;

const EXAMPLES: &str = "\
Examples:
  tmtool bundle tm.prog.1234.bin                  writes tm.prog.1234.bundle
  tmtool leaks tm.prog.1234.bundle                reads it on any machine, without the binaries
  tmtool run --bundle ./prog                      makes one at once, while the files are there

A bundle is what tmtool pack writes, with the functions, lines and inlined functions of all addresses in its stacks. FILE stays, and \
tmtool pack --unpack gives it back, byte for byte. 'tmtool symbols FILE' says which names are missing, and where was looked.";

/// The arguments of `tmtool bundle`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording, or the folder of a run: then that of its program with the highest peak.
    file: PathBuf,
    /// This program of a folder, by its process id or name.
    #[arg(long, value_name = "NAME|PID")]
    program: Option<String>,
    /// The file to write, by default FILE with the ending .bundle, in the present folder; - for standard output.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    #[command(flatten)]
    search: SearchArgs,
}

/// As hard is compressed: the names are to come fast.
const LEVEL: i32 = 1;

/// Runs the command.
///
/// # Errors
/// The file cannot be read or is no recording, or the output cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    let search = args.search.search()?;
    let input = programs::choose(&args.file, args.program.as_deref())?.path;
    write_recording(&input, args.output.as_deref(), ".bundle", &mut |recording, out| {
        write(recording, &search, out)
    })
}

/// Puts a bundle in the place of the recording at `path`. Returns how long it is, in bytes.
///
/// # Errors
/// It cannot be read, is still being written, or its place cannot be written to: then it is there as it was.
pub fn in_place(path: &Path) -> Result<u64> {
    let search = SearchArgs::default().search()?;
    let recording = Recording::open(path)?;
    whole::stream(path, |out: &mut dyn Write| write(&recording, &search, out).map(drop))
        .map_err(|error: StreamError| error.to(path))?;
    let status = path.metadata().map_err(|error| crate::errors::Error::io("read", path, error))?;
    Ok(status.len())
}

/// Writes the bundle. Returns what there is to say of it.
fn write(
    recording: &Recording,
    search: &Arc<Search>,
    out: &mut dyn Write,
) -> std::result::Result<String, StreamError> {
    let mut namer = Namer::looking_in(search);
    let names = namer.bundle(recording);
    let packed = bundle(recording, &names, LEVEL, out).map_err(failed)?;
    let symbols = namer.symbols(recording);
    let missing = SymbolsReport { recording: "", symbols: &symbols }.missing();
    let missing = missing.map(|missing| format!("; {missing} (tmtool symbols says where was looked)"));
    let left_out = (names.n_left_out > 0).then(|| {
        format!("; the names of {} have no room in it", human::counted(names.n_left_out, "address"))
    });
    let (missing, left_out) = (missing.unwrap_or_default(), left_out.unwrap_or_default());
    Ok(format!("{}, {} of that names{missing}{left_out}", sizes(&packed), human::size(packed.names_bytes)))
}
