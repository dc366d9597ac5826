//! What goes on over the moment up to which events are folded: peaks, and the exact course of samples.

use super::*;
use crate::replay::Step;

#[test]
fn a_peak_since_the_program_forgot_what_lived_is_the_same_once_that_is_folded() {
    let file = Program::new(14, false).run(3_000);
    let whole = Recording::open(file.path()).expect("it is valid");
    // A third of the events are before it.
    let [folded, again] = folded_twice(&file, [45, 60]);
    let peaks = |file: &NamedTempFile, resets_peak| {
        let options = Options { resets_peak, ..Options::default() };
        let mut follower = Follower::open(file.path(), ProcessIndex(0), options).expect("it is there");
        follower.catch_up(percent_of(&whole, 62), &mut ()).expect("it can be read");
        [MemoryKind::Traced, MemoryKind::Mappings].map(|kind| follower.totals().peak(kind))
    };
    let (expected, of_run) = (peaks(&file, true), peaks(&file, false));
    assert_ne!(expected, of_run, "the program did forget");
    for folded in [&folded, &again] {
        assert_eq!((peaks(folded, true), peaks(folded, false)), (expected, of_run));
    }
}

#[test]
fn what_threads_have_told_they_hold_is_known_after_it_is_folded() {
    let file = Program::new(15, true).run(3_000);
    let whole = Recording::open(file.path()).expect("it is valid");
    let middle = replay::stamp_at(&whole, whole.duration_ns() / 2);
    let folded = with_checkpoint(&file, &fold(&whole, middle).expect("it can be folded"), 1);
    let folded = Recording::open(folded.path()).expect("it is valid");
    let from = folded.folded_until().expect("it is folded");
    let steps = |recording: &Recording| -> Vec<Step> {
        let all = Selection::default().in_recording(recording);
        let end = replay::stamp_at(recording, recording.duration_ns());
        let mut steps = Vec::new();
        let timeline = |engine: &replay::Engine<'_>| {
            Timeline::new(&all, (from, end), 2_000, engine.live().iter(MemoryKind::Traced))
        };
        let parent = Processes::One(ProcessIndex(0));
        run(recording, parent, Stamp(u64::MAX), timeline, |_, timeline| steps = timeline.finish())
            .expect("there is such a process");
        steps
    };
    same(&steps(&folded), &steps(&whole), "steps");
}
