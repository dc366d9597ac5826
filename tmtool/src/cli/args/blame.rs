//! The frames to blame: `--plumbing` and `--raw`.

use tm_analyzer::analysis::Plumbing;

/// The frames to blame for a block: `--plumbing` and `--raw`.
#[derive(clap::Args, Debug)]
pub struct BlameArgs {
    /// Pass over this function too when the one to blame is looked for, as over malloc, operator new, std::vector and
    /// Vec: FUNCTION, FUNCTION@FILE or @FILE, with * and ?; !PATTERN blames it after all. May be given several times.
    #[arg(long, value_name = "PATTERN", conflicts_with = "raw", value_parser = plumbing_pattern)]
    plumbing: Vec<String>,
    /// Blame the function that called the allocator, whatever it is, and show whole stacks.
    #[arg(long)]
    raw: bool,
}

/// A pattern that can match something.
fn plumbing_pattern(text: &str) -> std::result::Result<String, String> {
    match text.trim_start_matches('!') {
        "" | "@" => {
            Err("it names no function and no file; write FUNCTION, FUNCTION@FILE or @FILE".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

impl BlameArgs {
    /// What is not to be blamed; `None` if whole stacks are wanted.
    pub fn plumbing(&self) -> Option<Plumbing> {
        let known = || self.plumbing.iter().map(String::as_str).fold(Plumbing::known(), Plumbing::with);
        (!self.raw).then(known)
    }
}
