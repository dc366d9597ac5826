//! `tmtool`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tm_analyzer::cli::main()
}
