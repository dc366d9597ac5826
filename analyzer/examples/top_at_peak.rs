//! A client that needs nothing but this crate: who held the memory of a recording at its peak.
//!
//! ```text
//! cargo run -p tm-analyzer --example top_at_peak -- tm.prog.1234.bin
//! ```

use tm_analyzer::{
    Cumulative, KeyType, Moment, Plumbing, Processes, Recording, Result, Selection, take_profile,
};

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).unwrap_or_default();
    let recording = Recording::open(path.as_ref())?;
    let profile = take_profile(&recording, Processes::All, &Moment::Peak, &Selection::default())?;
    let blamed = profile.without_plumbing(&Plumbing::known());
    for group in blamed.statistics(KeyType::Lineno, Cumulative::Off)?.iter().take(10) {
        println!("{group}");
    }
    Ok(())
}
