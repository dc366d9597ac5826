//! Waiting for a state, whatever time it takes: no test depends on how much happens in a time. The one limit is there to
//! say what was awaited where it never comes.

use std::time::{Duration, Instant};

/// Many times what anything takes on a machine that is busy with other things, and emulates another processor.
const LIMIT: Duration = Duration::from_secs(900);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Waits until there is something, which is called `what`.
///
/// # Panics
/// It never comes.
pub fn for_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", LIMIT.as_secs());
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Waits until something is so.
///
/// # Panics
/// It never is.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for_some(what, || is_so().then_some(()));
}
