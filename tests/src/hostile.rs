//! Names that would be something else in a format, and a program whose functions have them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{compile, installed};

/// What functions are called: tags, quotes, ends of lines, separators of formats, what steers a terminal, and 100 KB.
#[must_use]
pub fn names() -> [String; 7] {
    let long = format!("std::tuple<{}>", "int, ".repeat(20_000));
    let short = [
        "</script><script>alert(1)</script>",
        "a\"b'c\\d",
        "x\ny;z 12",
        "fn=(1) \u{1b}[31m",
        "\u{202e}r\u{10ffe9}",
        "%s %n {} &amp; ]]>",
    ];
    let [a, b, c, d, e, f] = short.map(str::to_owned);
    [a, b, c, d, e, f, long]
}

/// How many bytes the function with this place in [`names`] keeps.
#[must_use]
pub fn kept_bytes(place: usize) -> u64 {
    1_000 + place as u64
}

/// `hostile.c` in `folder`, whose functions and whose own file have such names.
///
/// # Panics
/// It cannot be made.
#[must_use]
pub fn program(folder: &Path) -> PathBuf {
    let path = folder.join(OsStr::new("a \"<i>\n;%.bin"));
    let mut command = Command::new(installed("objcopy"));
    for (place, name) in names().iter().enumerate() {
        command.arg("--redefine-sym").arg(format!("keeps_{place}={name}"));
    }
    let done = command.arg(compile("hostile.c", &["-O1"])).arg(&path).status();
    assert!(done.is_ok_and(|status| status.success()), "objcopy renames the functions");
    path
}
