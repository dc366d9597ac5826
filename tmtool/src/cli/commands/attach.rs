//! `tmtool attach` and `detach`: begins to record a process that runs already, and ends that.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::attach::{self, Done, Wanted};
use crate::cli::args::sample_rate::Sample;
use crate::cli::print;
use crate::control::{self, Found};
use crate::errors::Result;
use crate::report::parts::human::{counted, printable};
use tm_common::settings;

const ATTACH_EXAMPLES: &str = "\
Examples:
  tmtool attach 1234
  tmtool attach 1234 -o /tmp/server.bin
  tmtool attach 1234 --sample 512K
  TM_NFRAME=30 tmtool attach 1234

One thread at a time is looked at for some 0.1 ms, until one is found that may load a library; that one loads libtm.so and leads the \
calls of all loaded libraries to it, for some ms, while all others run. Blocks from before are unknown: leaks are what was allocated \
since. Settings (see 'tmtool run --help') are taken from tmtool's environment. Programs that the process executes are not recorded. \
The recording goes to the working directory, or to /tmp of a process that cannot write there.";

const DETACH_EXAMPLES: &str = "\
Examples:
  tmtool detach 1234

All calls go past libtm.so again, which stays loaded and costs nothing. The recording is whole; a later attach goes on with it.";

/// The arguments of `tmtool attach`.
#[derive(clap::Args)]
#[command(after_help = ATTACH_EXAMPLES)]
pub struct AttachArgs {
    /// A running process.
    pid: u32,
    /// The recording, as TM_OUT says it; an absolute path in a process that has a root folder of its own.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Record samples at this mean distance in bytes, such as 512K, and exact totals beside them: TM_SAMPLE
    #[arg(long, value_name = "BYTES")]
    sample: Option<Sample>,
    /// How long to look for a thread that may load a library, and to wait until it has.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=600))]
    timeout: u16,
}

/// The arguments of `tmtool detach`.
#[derive(clap::Args)]
#[command(after_help = DETACH_EXAMPLES)]
pub struct DetachArgs {
    /// A process that was attached to.
    pid: u32,
    /// How long to look for a thread that may do it, and to wait until it has.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=600))]
    timeout: u16,
}

/// Begins to record.
///
/// # Errors
/// The process cannot be attached to.
pub fn attach(args: &AttachArgs) -> Result<ExitCode> {
    let set_by_user = std::env::var_os(settings::OUT.name).filter(|value| !value.is_empty());
    let wanted = Wanted {
        output: args.output.clone().or(set_by_user.map(PathBuf::from)),
        settings: args
            .sample
            .iter()
            .map(|rate| (settings::SAMPLE.name, rate.0.mean_bytes().to_string()))
            .collect(),
        patience: Duration::from_secs(args.timeout.into()),
    };
    let done = attach::attach(args.pid, &wanted)?;
    let found = control::find(done.pid)?;
    let mut text = String::new();
    for note in &done.notes {
        text += &format!("tm: {}\n", printable(note));
    }
    let pid = done.pid;
    let shown = printable(&path_from_here(&found));
    let goes_on = if done.is_again { "again, and goes on in" } else { "in" };
    text += &format!("tm: attached to process {pid}, recorded {goes_on} {shown}\n");
    if done.has_other_root {
        let its_own = printable(&path_of_process(&found));
        text += &format!("tm:   which the process, in a file system of its own, calls {its_own}\n");
    }
    text += &stops(&done);
    text += &format!("tm: next: tmtool watch {pid}, tmtool stats {shown}, tmtool detach {pid}\n");
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Ends that.
///
/// # Errors
/// The process was not attached to, or cannot be spoken to.
pub fn detach(args: &DetachArgs) -> Result<ExitCode> {
    let done = attach::detach(args.pid, Duration::from_secs(args.timeout.into()))?;
    let recording = control::find(done.pid).ok();
    let shown = recording.map(|found| printable(&path_from_here(&found)));
    let mut text = format!("tm: detached from process {}\n{}", done.pid, stops(&done));
    if let Some(shown) = shown {
        text += &format!("tm: next: tmtool stats {shown}, tmtool leaks {shown}\n");
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A path under which tmtool finds the recording, now and later.
fn path_from_here(found: &Found) -> String {
    if found.path_to_open() == Path::new(&found.path) {
        return found.path.clone();
    }
    format!("/proc/{}/root{}", found.target.pid, found.path)
}

/// The path of the recording as the process sees it, which may have changed its root folder since it was mounted there.
fn path_of_process(found: &Found) -> String {
    let root = std::fs::read_link(format!("/proc/{}/root", found.target.pid)).unwrap_or_default();
    let within = Path::new(&found.path).strip_prefix(root);
    within.map_or_else(|_| found.path.clone(), |path| Path::new("/").join(path).display().to_string())
}

/// What it has cost the process.
fn stops(done: &Done) -> String {
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    format!(
        "tm:   {} led; one thread was busy with it for {:.1} ms, others stood still for {:.1} ms at most\n",
        counted(done.n_led, "call"),
        ms(done.longest_call),
        ms(done.longest_look)
    )
}
