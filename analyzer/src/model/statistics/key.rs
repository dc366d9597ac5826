//! What blocks are grouped by.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What the blocks of a group have in common: tracemalloc's three keys, and three more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// The source file of the most recent frame.
    Filename,
    /// The source file and line of the most recent frame.
    Lineno,
    /// The whole stack.
    Traceback,
    /// The function of the most recent frame, in its file: not tracemalloc's. Without a name, the file.
    Function,
    /// The program or library of the most recent frame: not tracemalloc's.
    Module,
    /// The tag that the program had put on what it did: not tracemalloc's. Blocks without one are a group too.
    Tag,
}

impl KeyType {
    /// Whether blocks can count for the callers of the function to blame: not where they are grouped by all of them, or
    /// by what is no part of the stack.
    pub fn has_callers(self) -> bool {
        !matches!(self, KeyType::Traceback | KeyType::Tag)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Filename => "filename",
            KeyType::Lineno => "lineno",
            KeyType::Traceback => "traceback",
            KeyType::Function => "function",
            KeyType::Module => "module",
            KeyType::Tag => "tag",
        }
    }
}

impl FromStr for KeyType {
    type Err = Error;

    fn from_str(text: &str) -> Result<KeyType> {
        match text {
            "filename" => Ok(KeyType::Filename),
            "lineno" => Ok(KeyType::Lineno),
            "traceback" => Ok(KeyType::Traceback),
            "function" => Ok(KeyType::Function),
            "module" => Ok(KeyType::Module),
            "tag" => Ok(KeyType::Tag),
            _ => Err(Error::UnknownKey { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a block counts for the frames that called the one that allocated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cumulative {
    /// A block counts for its most recent frame only.
    Off,
    /// A block counts once for each file or line in its stack, however often that occurs there.
    Once,
    /// CPython's way: a block counts for every frame of its stack, so recursion counts it many times over.
    Tracemalloc,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_parse_as_they_print_and_others_get_cpythons_message() {
        use KeyType::{Filename, Function, Lineno, Module, Tag, Traceback};
        for key in [Filename, Lineno, Traceback, Function, Module, Tag] {
            assert_eq!(key.to_string().parse::<KeyType>().unwrap(), key);
        }
        assert_eq!("foo".parse::<KeyType>().unwrap_err().to_string(), "unknown key_type: 'foo'");
    }
}
