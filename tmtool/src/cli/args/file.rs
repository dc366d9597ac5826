//! The name of a file, perhaps with a moment: `a.bin@50%`, and `-@50%` of standard input.

use std::ffi::OsString;

use clap::builder::{OsStringValueParser, TypedValueParser};

/// Takes what can be a file's name; a word that begins as an option does is a mistake.
pub fn name() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|word: OsString| {
        let text = word.to_string_lossy();
        let is_name = !text.starts_with('-') || text == "-" || text.starts_with("-@");
        if is_name { Ok(word) } else { Err("there is no such option, and a file of such a name is ./NAME") }
    })
}
