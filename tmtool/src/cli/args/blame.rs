//! The frames to look at and to blame: `--frames`, `--hide`, `--plumbing` and `--raw`.

use clap::ValueEnum;

use super::stacks;
use tm_analyzer::analysis::{Frames, Plumbing};
use tm_analyzer::model::{Cumulative, FramePatterns, KeyType};
use tm_analyzer::request::Grouping;

/// The value of `--frames`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FramesArg {
    /// The Python frames alone, where a thread runs Python code.
    Python,
    /// Native frames alone, with the interpreter's own.
    Native,
    /// Both, without the interpreter's own and those that have started it.
    All,
}

impl From<FramesArg> for Frames {
    fn from(frames: FramesArg) -> Frames {
        match frames {
            FramesArg::Python => Frames::Python,
            FramesArg::Native => Frames::Native,
            FramesArg::All => Frames::All,
        }
    }
}

/// The frames to look at, and to blame for a block: `--frames`, `--hide`, `--plumbing` and `--raw`.
#[derive(clap::Args, Debug)]
pub struct BlameArgs {
    /// Pass over this function too when the one to blame is looked for, as over malloc, operator new, std::vector and
    /// Vec: FUNCTION, FUNCTION@FILE or @FILE, with * and ?; !PATTERN blames it after all. May be given several times.
    #[arg(long, value_name = "PATTERN", conflicts_with = "raw", value_parser = plumbing_pattern)]
    plumbing: Vec<String>,
    /// Blame the function that called the allocator, whatever it is, and show whole stacks.
    #[arg(long)]
    raw: bool,
    /// Look at these frames of Python programs. Where Python code runs, the innermost line of it is blamed, unless native
    /// frames alone are looked at.
    #[arg(long, value_enum, default_value_t = FramesArg::All)]
    frames: FramesArg,
    /// Take frames whose function, file or library matches this regular expression out of the stacks: they are neither shown nor
    /// blamed, and their blocks stay. May be given several times.
    #[arg(long, value_name = "RE", value_parser = stacks::pattern)]
    hide: Vec<FramePatterns>,
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
    /// How blocks are added up by `key_type`.
    pub fn grouping(&self, key_type: KeyType, cumulative: Cumulative) -> Grouping {
        let known = || self.plumbing.iter().map(String::as_str).fold(Plumbing::known(), Plumbing::with);
        let hide = stacks::any_of(&self.hide);
        Grouping { key_type, cumulative, plumbing: (!self.raw).then(known), frames: self.frames.into(), hide }
    }
}
