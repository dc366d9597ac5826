//! One copy of each text: the frames of a program have few distinct file and function names.

use std::sync::Arc;

use rustc_hash::FxHashSet;

/// The texts seen so far.
#[derive(Default)]
pub(super) struct Names(FxHashSet<Arc<str>>);

impl Names {
    /// The shared copy of `text`.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = Arc::from(text);
        self.0.insert(Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let mut names = Names::default();
        let (first, second) = (names.share("a.c"), names.share(&String::from("a.c")));
        assert!(Arc::ptr_eq(&first, &second));
        assert_ne!(names.share("b.c"), first);
    }
}
