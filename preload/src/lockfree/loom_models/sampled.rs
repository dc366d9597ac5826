//! Threads that sample, and one whose block goes through another's hands.

use loom::sync::Arc;

use super::{check, thread};
use crate::lockfree::sampled::Sampled;

/// All keys have one count and crowd each other out of the first table. What is inserted is found until it is removed, whatever
/// others do to the count meanwhile.
#[test]
fn a_sample_is_found_while_others_come_and_go() {
    check(2, |order| {
        let shared = Arc::new(Sampled::new());
        assert!(shared.insert(0x1000));
        let comes = thread(&shared, |set: &Sampled| {
            assert!(set.insert(0x2000));
            assert!(set.has(0x2000));
            assert!(set.remove(0x2000), "its own");
        });
        let goes = thread(&shared, |set: &Sampled| assert!(set.remove(0x1000), "it was handed on"));
        order.run([comes, goes]);
        assert!(!shared.may_have(0x1000), "nothing is left");
        assert!(shared.insert(0x3000) && shared.remove(0x3000));
    });
}
