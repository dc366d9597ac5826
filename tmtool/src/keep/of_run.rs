//! Keeps all recordings of a run that have a limit, beside the run: each in a thread of its own, so that none waits for another
//! one's. The threads may end with their process at any moment.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::keeper::{Gate, Keeper, Next};
use crate::errors::Result;

/// How often new recordings are looked for.
const BETWEEN_LISTS: Duration = Duration::from_millis(50);
/// After something failed, the next attempt.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The threads.
#[derive(Debug)]
pub struct KeeperOfRun(Arc<Gate>);

impl KeeperOfRun {
    /// Keeps what `list` finds, now and later.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(list: impl Fn() -> Vec<PathBuf> + Send + 'static) -> std::io::Result<KeeperOfRun> {
        let gate = Arc::new(Gate::default());
        let kept = KeeperOfRun(Arc::clone(&gate));
        spawn(move || keep_all(&gate, list))?;
        Ok(kept)
    }

    /// Changes nothing in the recordings any more.
    pub fn stop(self) {
        self.0.close();
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name("keeper".to_owned()).spawn(run).map(drop)
}

fn keep_all(gate: &Arc<Gate>, list: impl Fn() -> Vec<PathBuf>) {
    let mut known = BTreeSet::new();
    while !gate.is_closed() {
        for path in list() {
            if known.contains(&path) {
                continue;
            }
            let (gate, name) = (Arc::clone(gate), path.clone());
            // Where the system gives no thread it is asked again.
            if spawn(move || keep(&name, &gate)).is_ok() {
                known.insert(path);
            }
        }
        thread::sleep(BETWEEN_LISTS);
    }
}

/// Keeps a recording until its processes have ended. One that cannot be kept is left alone: another one keeps it, or its process was
/// quick.
fn keep(path: &Path, gate: &Gate) {
    let Ok(mut keeper) = Keeper::of(path, path) else { return };
    while !gate.is_closed() {
        match step(&mut keeper, gate) {
            Next::After(pause) => thread::sleep(pause),
            Next::Ended => return,
        }
    }
}

fn step(keeper: &mut Keeper, gate: &Gate) -> Next {
    said(keeper.step(gate), gate)
}

/// Says what went wrong, and goes on.
pub fn said(result: Result<Next>, gate: &Gate) -> Next {
    result.unwrap_or_else(|error| {
        if !gate.is_closed() {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(std::io::stderr(), "tmtool: {error}");
        }
        Next::After(AFTER_FAILURE)
    })
}
