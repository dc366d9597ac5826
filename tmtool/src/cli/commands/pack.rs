//! `tmtool pack`: a recording, compressed; every command reads it so.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::args::file;
use crate::cli::output_file::{check_is_another, check_is_no_terminal, check_is_recording, name_after};
use crate::cli::{print, progress};
use crate::errors::{Result, StreamError};
use crate::report::parts::human;
use tm_analyzer::files::whole;
use tm_analyzer::pack::{Failure, Packed, pack, unpack};
use tm_analyzer::reader::Recording;

const EXAMPLES: &str = "\
Examples:
  tmtool pack tm.prog.1234.bin                    writes tm.prog.1234.pack
  tmtool stats tm.prog.1234.pack                  as every command, it reads what is packed
  tmtool pack --unpack tm.prog.1234.pack          writes tm.prog.1234.bin, as it was

Nothing is lost: what is unpacked is the recording, byte for byte. FILE stays. A recording that is still being written \
cannot be packed.";

/// The arguments of `tmtool pack`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A recording.
    #[arg(allow_hyphen_values = true, value_parser = file::name())]
    file: OsString,
    /// The file to write, by default FILE with the ending .pack (of --unpack: .bin), in the present folder; - for standard
    /// output.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// How hard to compress, 1 to 19 as zstd counts: more takes longer, and reads as fast.
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Write a packed recording as it was.
    #[arg(short, long, conflicts_with = "level")]
    unpack: bool,
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read or is none to do that with, or the output cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    let ending = if args.unpack { ".bin" } else { ".pack" };
    write_recording(Path::new(&args.file), args.output.as_deref(), ending, &mut |recording, out| {
        write(args, recording, out)
    })
}

/// Writes a recording to a stream, and returns what there is to say of it.
pub(super) type Make<'a> =
    &'a mut dyn FnMut(&Recording, &mut dyn Write) -> std::result::Result<String, StreamError>;

/// Writes what `make` makes of the recording at `input` to `output`, by default to its name with `ending` in the present folder, and
/// prints what `make` says of it.
///
/// # Errors
/// The recording cannot be read, or the output not be written, or would destroy something.
pub(super) fn write_recording(
    input: &Path,
    output: Option<&Path>,
    ending: &str,
    make: Make<'_>,
) -> Result<ExitCode> {
    let output = output.map_or_else(|| usual_name(input, ending), Path::to_owned);
    let is_standard = output == Path::new("-");
    if is_standard {
        check_is_no_terminal("a recording")?;
    } else {
        check_is_another(input, &output)?;
        check_is_recording(&output)?;
    }
    let recording = Recording::open(input)?;
    let mut summary = String::new();
    let mut write = |out: &mut dyn Write| {
        let mut written = Ok(String::new());
        progress::during(&recording, &mut || written = make(&recording, out));
        summary = written?;
        Ok(())
    };
    if is_standard {
        print::stream(write)?;
    } else {
        whole::stream(&output, &mut write).map_err(|error: StreamError| error.to(&output))?;
        print::print(&format!("{}: {summary}\n", output.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the output. Returns what there is to say of it.
fn write(
    args: &Args,
    recording: &Recording,
    out: &mut dyn Write,
) -> std::result::Result<String, StreamError> {
    if args.unpack {
        return Ok(human::size(unpack(recording, out).map_err(failed)?));
    }
    Ok(sizes(&pack(recording, args.level, out).map_err(failed)?))
}

/// Why a recording was not written, or not all of it.
pub(super) fn failed(failure: Failure) -> StreamError {
    match failure {
        Failure::Reading(error) => StreamError::Making(error.into()),
        Failure::Writing(error) => StreamError::Writing(error),
    }
}

/// How long it is and was.
pub(super) fn sizes(packed: &Packed) -> String {
    let (small, whole) = (packed.packed_bytes, packed.segment_bytes);
    format!("{} of {} ({})", human::size(small), human::size(whole), human::percent(small, whole))
}

/// The name of the file that is read, in the present folder, with an ending of its own.
fn usual_name(input: &Path, ending: &str) -> PathBuf {
    let mut name = name_after(input);
    name.push(ending);
    PathBuf::from(name)
}
