//! A folder goes on from what it has folded, whether that stands in the recording or not.

use super::*;
use crate::reader::streams::Stream;

/// The first fold is never written, the second one holds what both have folded, and the third goes on from there.
#[test]
fn what_was_folded_is_not_asked_for_again() {
    for (seed, is_sampled) in [(21, false), (22, true), (23, false)] {
        let file = left_when_full(&Program::new(seed, is_sampled).run(4_000));
        let whole = Recording::open(file.path()).expect("it is valid");
        let child = ProcessIndex(1);
        let mut folder = Folder::default();
        folder.gone.insert(child);
        let first = folder.open(file.path()).expect("it is valid");
        assert!(first.gone.contains(&child) && first.folded_until().is_none());
        folder.fold(&first, percent_of(&whole, 30)).expect("it can be folded");
        assert!(folder.ahead() >= Some(percent_of(&whole, 30)));

        let second = folder.open(file.path()).expect("it is valid");
        assert_eq!((second.folded_until(), second.header.checkpoint), (folder.ahead(), 0));
        let is_passed = |stream: &Stream| stream.passed != Passed::default();
        assert!(second.streams.iter().any(is_passed), "what is folded is passed over");
        folder.fold(&second, percent_of(&whole, 60)).expect("it can be folded");
        let (bytes, until) = folder.encode().expect("there is memory");
        folder.stands(1);
        assert_eq!(folder.ahead(), None);
        let file = with_checkpoint(&file, &Fold { bytes, until }, 1);
        compare(&whole, &Recording::open(file.path()).expect("it is valid"), "the second");

        let third = folder.open(file.path()).expect("it is valid");
        folder.fold(&third, percent_of(&whole, 100)).expect("it can be folded");
        let (bytes, until) = folder.encode().expect("there is memory");
        let (all, n_gone) = without_folded(&with_checkpoint(&file, &Fold { bytes, until }, 2));
        assert!(n_gone > 0);
        ended::compare_all(&Recording::open(all.path()).expect("it is valid"), &whole);

        // Of a recording that it did not open it takes what that says.
        let (anew, until) = (Recording::open(file.path()).expect("it is valid"), percent_of(&whole, 80));
        folder.fold(&anew, until).expect("it can be folded");
        let (bytes, until) = folder.encode().expect("there is memory");
        let file = with_checkpoint(&file, &Fold { bytes, until }, 2);
        compare(&whole, &Recording::open(file.path()).expect("it is valid"), "as it stands");
    }
}
