//! `tmtool`: everything is in the library.

use std::process::ExitCode;

use tm_analyzer::allocator::HugePages;

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

fn main() -> ExitCode {
    tm_analyzer::cli::main()
}
