//! Options that several commands share.

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::model::{Cumulative, KeyType};

/// `--key`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Key {
    /// The source file that allocated.
    Filename,
    /// The source line that allocated.
    Lineno,
    /// The whole stack.
    Traceback,
}

impl From<Key> for KeyType {
    fn from(key: Key) -> KeyType {
        match key {
            Key::Filename => KeyType::Filename,
            Key::Lineno => KeyType::Lineno,
            Key::Traceback => KeyType::Traceback,
        }
    }
}

/// The value of `--cumulative`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Counting {
    /// A block counts once for each file or line in its stack.
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
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

impl GroupArgs {
    /// What to group by.
    pub fn key_type(&self) -> KeyType {
        self.key.into()
    }

    /// Whether to count for callers.
    ///
    /// # Errors
    /// If the key is the whole stack, which has no callers left out.
    pub fn cumulative(&self) -> Result<Cumulative> {
        match (self.cumulative, self.key) {
            (None, _) => Ok(Cumulative::Off),
            (Some(_), Key::Traceback) => {
                let message =
                    "--cumulative groups by file or line; use it with --key filename or --key lineno";
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
