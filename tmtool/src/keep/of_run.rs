//! Keeps all recordings of a run that have a limit, beside the run: in a thread of its own, which may end with its process at
//! any moment.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::keeper::{Gate, Keeper, Next};
use crate::errors::Result;

/// How often new recordings are looked for.
const BETWEEN_LISTS: Duration = Duration::from_millis(50);
/// After something failed, the next attempt.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The thread.
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
        thread::Builder::new().name("keeper".to_owned()).spawn(move || keep_all(&gate, list))?;
        Ok(kept)
    }

    /// Changes nothing in the recordings any more.
    pub fn stop(self) {
        self.0.close();
    }
}

fn keep_all(gate: &Gate, list: impl Fn() -> Vec<PathBuf>) {
    let mut keepers: BTreeMap<PathBuf, Option<(Keeper, Instant)>> = BTreeMap::new();
    let mut listed = None;
    while !gate.is_closed() {
        let now = Instant::now();
        if listed.is_none_or(|listed| now.duration_since(listed) >= BETWEEN_LISTS) {
            listed = Some(now);
            for path in list() {
                // One that cannot be kept is not tried again: another one keeps it, or its process was quick.
                keepers.entry(path).or_insert_with_key(|path| Some((Keeper::of(path, path).ok()?, now)));
            }
        }
        for kept in keepers.values_mut() {
            if let Some((keeper, due)) = kept
                && *due <= now
            {
                match step(keeper, gate) {
                    Next::After(pause) => *due = Instant::now() + pause,
                    Next::Ended => *kept = None,
                }
            }
        }
        let due = keepers.values().flatten().map(|(_, due)| *due).min();
        let pause = due.map_or(BETWEEN_LISTS, |due| due.saturating_duration_since(Instant::now()));
        thread::sleep(pause.min(BETWEEN_LISTS));
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
