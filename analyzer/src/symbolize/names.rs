//! One copy of each text: the frames of a program have few distinct file and function names.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashSet;

/// The texts seen so far, by whichever thread.
#[derive(Default)]
pub(super) struct Names(Mutex<FxHashSet<Arc<str>>>);

impl Names {
    /// The shared copy of `text`.
    pub(super) fn share(&self, text: &str) -> Arc<str> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = seen.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = Arc::from(text);
        seen.insert(Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let names = Names::default();
        let (first, second) = (names.share("a.c"), names.share(&String::from("a.c")));
        assert!(Arc::ptr_eq(&first, &second));
        assert_ne!(names.share("b.c"), first);
    }
}
