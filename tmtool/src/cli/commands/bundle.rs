//! `tmtool bundle`: a recording with all names that it needs, compressed; every command reads it where nothing else is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::pack::{failed, sizes, write_recording};
use crate::cli::args::search::SearchArgs;
use crate::cli::programs;
use crate::errors::{Result, StreamError};
use crate::report::parts::human::{self, counted, printable};
use crate::report::symbols::SymbolsReport;
use tm_analyzer::files::whole;
use tm_analyzer::pack::bundle;
use tm_analyzer::reader::Recording;
use tm_analyzer::snapshot::{Namer, Symbols};
use tm_analyzer::symbolize::{Attempt, Outcome, Search, Source, SourceFiles};

const EXAMPLES: &str = "\
Examples:
  tmtool bundle tm.prog.1234.bin                  writes tm.prog.1234.bundle
  tmtool leaks tm.prog.1234.bundle                reads it on any machine, without the binaries
  tmtool bundle tm.prog.1234.bin --sources        with the lines of source that reports show
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
    /// Put lines of source in too: those of all frames, with four before and after each
    #[arg(long)]
    sources: bool,
    #[command(flatten)]
    search: SearchArgs,
}

/// As hard is compressed: the names are to come fast.
const LEVEL: i32 = 1;

/// As many files are named that are gone.
const N_GONE_MAX: usize = 5;

/// Runs the command.
///
/// # Errors
/// The file cannot be read or is no recording, or the output cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    let search = args.search.search()?;
    let input = programs::choose(&args.file, args.program.as_deref())?.path;
    write_recording(&input, args.output.as_deref(), ".bundle", &mut |recording, out| {
        write(recording, &search, args.sources, out).map(|(said, _)| said)
    })
}

/// Puts a bundle in the place of the recording at `path`. Returns how long it is, in bytes, and what there is to say of names that it
/// lacks.
///
/// # Errors
/// It cannot be read, is still being written, or its place cannot be written to: then it is there as it was.
pub fn in_place(path: &Path, search: &Arc<Search>, has_sources: bool) -> Result<(u64, Vec<String>)> {
    let recording = Recording::open(path)?;
    let mut said = Vec::new();
    whole::stream(path, |out: &mut dyn Write| {
        let (_, symbols) = write(&recording, search, has_sources, out)?;
        said = lacking(&symbols);
        Ok(())
    })
    .map_err(|error: StreamError| error.to(path))?;
    let status = path.metadata().map_err(|error| crate::errors::Error::io("read", path, error))?;
    Ok((status.len(), said))
}

/// A sentence for each module whose file was gone, and one for all names that are missing.
fn lacking(symbols: &Symbols) -> Vec<String> {
    let gone = symbols.modules.iter().filter(|module| module.lacks_functions()).filter_map(|module| {
        let first = module.attempts.iter().find(|attempt| attempt.source == Source::File)?;
        let what = match &first.outcome {
            _ if module.attempts.iter().any(Attempt::is_used) => return None,
            Outcome::Missing => "was deleted",
            Outcome::Other(_) => "was replaced",
            _ => return None,
        };
        let addresses = counted(module.addresses.saturating_sub(module.functions), "address");
        Some(format!(
            "not bundled: the functions of {addresses} in {}, which {what} before it could be opened",
            printable(&module.path)
        ))
    });
    let gone: Vec<String> = gone.collect();
    let n_more = gone.len().saturating_sub(N_GONE_MAX);
    let more = (n_more > 0).then(|| {
        format!("not bundled: the functions of {}, gone as well", counted(n_more as u64, "more file"))
    });
    gone.into_iter().take(N_GONE_MAX).chain(more).collect()
}

/// Writes the bundle. Returns what there is to say of it, and which names it has.
fn write(
    recording: &Recording,
    search: &Arc<Search>,
    has_sources: bool,
    out: &mut dyn Write,
) -> std::result::Result<(String, Symbols), StreamError> {
    let mut namer = Namer::looking_in(search);
    let mut files = SourceFiles::as_of(recording.header.start_realtime_ns)
        .looking_in(search)
        .carrying(recording.bundle.source());
    // One that has them keeps them.
    let has_sources = has_sources || recording.bundle.source().files().next().is_some();
    let names = namer.bundle(recording, has_sources.then_some(&mut files));
    let packed = bundle(recording, &names, LEVEL, out).map_err(failed)?;
    let symbols = namer.symbols(recording);
    let missing = SymbolsReport { recording: "", symbols: &symbols, settings: &[] }.missing();
    let missing = missing.map(|missing| format!("; {missing} (tmtool symbols says where was looked)"));
    let left_out = (names.n_left_out > 0)
        .then(|| format!("; the names of {} have no room in it", counted(names.n_left_out, "address")));
    let lines_left_out = (names.n_lines_left_out > 0)
        .then(|| format!("; {} of source have no room in it", counted(names.n_lines_left_out, "line")));
    let left_out = [left_out, lines_left_out].into_iter().flatten().reduce(|all, more| all + &more);
    let (missing, left_out) = (missing.unwrap_or_default(), left_out.unwrap_or_default());
    let names = human::size(packed.names_bytes);
    Ok((format!("{}, {names} of that names{missing}{left_out}", sizes(&packed)), symbols))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::snapshot::ModuleSymbols;

    #[test]
    fn files_that_were_gone_are_named_and_the_rest_is_counted() {
        let module = |n: usize, outcome: &Outcome, addresses| ModuleSymbols {
            path: format!("/tmp/{n}.so"),
            build_id: vec![1],
            is_generated: false,
            addresses,
            functions: 0,
            lines: 0,
            attempts: vec![Attempt { source: Source::File, path: "/x".into(), outcome: outcome.clone() }],
        };
        let mut modules = vec![
            module(0, &Outcome::Missing, 1),
            module(1, &Outcome::Other("it is x".to_owned()), 20),
            // No stack needs it, or it has none.
            module(2, &Outcome::Missing, 0),
            module(3, &Outcome::Used(tm_analyzer::symbolize::Holds::default()), 7),
        ];
        let said = lacking(&Symbols { modules: modules.clone(), ..Symbols::default() });
        assert_eq!(
            said,
            [
                "not bundled: the functions of 1 address in /tmp/0.so, which was deleted before it could be opened",
                "not bundled: the functions of 20 addresses in /tmp/1.so, which was replaced before it could be opened",
            ]
        );
        modules.extend((4..9).map(|n| module(n, &Outcome::Missing, 1)));
        let said = lacking(&Symbols { modules, ..Symbols::default() });
        assert_eq!((said.len(), &*said[5]), (6, "not bundled: the functions of 2 more files, gone as well"));
    }
}
