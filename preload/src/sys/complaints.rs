//! What is wrong with the settings is said by the first program that finds it, and not again by each program that this
//! one executes.
//!
//! A program that has said something marks the environment, which executed programs inherit, by separators behind the
//! last library of `LD_PRELOAD`: the loader passes over them, and neither the number nor the order of the variables
//! changes. Where the library is linked and not preloaded there is no mark, and each program speaks for itself.

use core::ffi::CStr;

use super::memory::pages;
use super::message::Message;
use super::process::InitialStack;
use super::text::Text;

const VARIABLE: &str = "LD_PRELOAD";
/// The mark. Nobody writes this; a single separator at the end is often left by scripts.
const MARK: &[u8] = b": : :";
/// The longest entry that gets a mark.
type Entry = Text<8192>;

/// What is to be said of the settings.
#[derive(Debug)]
pub struct Complaints {
    stack: InitialStack,
    /// Tells whether a program that executed this one has said them.
    were_said: bool,
}

impl Complaints {
    /// Makes the complaints of the program with this environment.
    pub fn of(stack: InitialStack) -> Complaints {
        Complaints { stack, were_said: stack.variable(VARIABLE).is_some_and(is_marked) }
    }

    /// Says a line unless an executing program has said it, and leaves the mark.
    pub fn say(&mut self, message: Message) {
        if self.were_said {
            return;
        }
        message.say();
        let Some(value) = self.stack.variable(VARIABLE).filter(|value| !is_marked(value)) else { return };
        let entry: *mut Entry = pages::zeroed(1);
        // SAFETY: fresh zeroed memory for one entry, or null; it is never given back.
        let Some(entry) = (unsafe { entry.as_mut() }) else { return };
        entry.push(VARIABLE.as_bytes()).push(b"=").push(value.to_bytes()).push(MARK);
        if !entry.is_cut() {
            self.stack.replace(VARIABLE, entry.as_c_str());
        }
    }
}

fn is_marked(value: &CStr) -> bool {
    value.to_bytes().ends_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_mark_is_one() {
        assert!(is_marked(c"/x/libtm.so: : :"));
        for value in [c"", c"/x/libtm.so", c"/x/libtm.so:", c"/x/libtm.so::", c"a: : b"] {
            assert!(!is_marked(value), "{value:?}");
        }
    }
}
