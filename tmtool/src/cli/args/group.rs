//! What to group by, whom to blame, and how much to show.

use clap::ValueEnum;

use super::blame::BlameArgs;
use crate::errors::{Error, Result};
use tm_analyzer::model::{Cumulative, KeyType};
use tm_analyzer::request::Grouping;

/// `--key`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Key {
    /// The source file that allocated; without line information, the program or library.
    Filename,
    /// The source line that allocated.
    Lineno,
    /// The function that allocated.
    Function,
    /// The program or library that allocated.
    Module,
    /// The whole stack.
    Traceback,
    /// The tag that the program had put on what it did (tm_tag).
    Tag,
}

impl From<Key> for KeyType {
    fn from(key: Key) -> KeyType {
        match key {
            Key::Filename => KeyType::Filename,
            Key::Lineno => KeyType::Lineno,
            Key::Function => KeyType::Function,
            Key::Module => KeyType::Module,
            Key::Traceback => KeyType::Traceback,
            Key::Tag => KeyType::Tag,
        }
    }
}

/// The value of `--cumulative`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Counting {
    /// A block counts once for each file, line or function in its stack.
    Once,
    /// As CPython counts: again for each repetition of a recursion.
    Tracemalloc,
}

/// What to group by and how much to show.
#[derive(clap::Args, Debug)]
pub struct GroupArgs {
    /// Group by this.
    #[arg(long, value_enum, default_value_t = Key::Lineno)]
    key: Key,
    /// Show at most this many groups; 0 for all.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Count a block for its callers too, not only for the line that allocated it.
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "once", value_name = "HOW")]
    cumulative: Option<Counting>,
    #[command(flatten)]
    blame: BlameArgs,
}

impl GroupArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// If the key is the whole stack, which has no callers left out, or a tag, which has none.
    pub fn grouping(&self) -> Result<Grouping> {
        Ok(self.blame.grouping(self.key.into(), self.cumulative()?))
    }

    fn cumulative(&self) -> Result<Cumulative> {
        match (self.cumulative, self.key) {
            (None, _) => Ok(Cumulative::Off),
            (Some(_), Key::Traceback) => {
                let message =
                    "a whole stack has no callers to count for: use --cumulative with another --key";
                Err(Error::Usage(message.to_owned()))
            }
            (Some(_), Key::Tag) => {
                let message =
                    "a tag has no callers to count for: use --cumulative with another --key, and --tag NAME";
                Err(Error::Usage(message.to_owned()))
            }
            (Some(Counting::Once), _) => Ok(Cumulative::Once),
            (Some(Counting::Tracemalloc), _) => Ok(Cumulative::Tracemalloc),
        }
    }

    /// How many groups to show; `None` for all.
    pub fn limit(&self) -> Option<usize> {
        (self.limit > 0).then_some(self.limit)
    }
}
