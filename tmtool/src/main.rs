//! `tmtool`: everything is in the library.

use std::process::ExitCode;

use tm_analyzer::allocator::HugePages;

#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

/// Run before the run-time library of Rust, which makes a closed standard output an open one.
// The section holds pointers to functions, which the C library calls once before main; this one needs nothing of
// Rust's run-time library.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = tmtool::cli::note_standard_output;

fn main() -> ExitCode {
    tmtool::cli::main()
}
