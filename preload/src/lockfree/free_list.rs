//! The list of extents that a keeper has given back: any thread of any process takes the first one off. A keeper, which is
//! another program, puts them on, one at a time.
//!
//! ```text
//!  word in the header         extents, each with the grain of the next one
//!  popped | pushed | first -> | next | -> | next | -> 0
//! ```

use tm_common::free_list::Top;

use super::atomic::{AtomicU64, Ordering};

/// The number of attempts, each after another one took the first extent meanwhile: it is looked at by system calls.
const POP_ATTEMPTS: u32 = if cfg!(loom) { 2 } else { 16 };

/// Takes the first extent off the list at `top`. `look` sees what is at a grain and returns it with the grain of the next
/// one, or nothing if no free extent is there; `leave` gives back what it returned. `None` if the list is empty, or is none.
pub fn pop<T>(
    top: &AtomicU64,
    look: impl Fn(u32) -> Option<(T, u32)>,
    leave: impl Fn(T),
) -> Option<(u32, T)> {
    for _ in 0..POP_ATTEMPTS {
        // Acquire: receives the extent as it was put on the list.
        let seen = top.load(Ordering::Acquire);
        let first = Top::of(seen).first;
        if first == 0 {
            return None;
        }
        let Some((extent, next)) = look(first) else {
            // Who took it meanwhile may have begun to use it. Relaxed: only whether that is so.
            if top.load(Ordering::Relaxed) == seen {
                return None;
            }
            continue;
        };
        // The word has counts in it, so it is the same only if no extent came or went: then `next` is the next one still.
        // Acquire: as above. Relaxed: what is seen then is not used.
        let popped = Top::of(seen).popped(next).word();
        match top.compare_exchange(seen, popped, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return Some((first, extent)),
            Err(_) => leave(extent),
        }
    }
    None
}
