//! Takes snapshots of a recording: replays it to a moment, and gives stacks names.
//!
//! The one place where the reader's numbers and the model's names meet.

mod addresses;
mod admitted;
mod doubts;
mod merge;
mod namer;
mod native;
mod origin;
mod places;
mod python_names;
mod symbols;

pub use admitted::AdmittedStacks;
pub use namer::Namer;
pub use places::{Called, Places};
pub use symbols::{ModuleSymbols, Symbols};

/// What is not certain of the stacks of `profile`, by bytes: the sentences that [`Namer::origin`] has of one recording.
pub fn doubt_notes(profile: &Profile) -> Vec<String> {
    doubts::Doubts::of(profile.rows.iter().map(|row| (&row.traceback, row.amount.bytes))).notes()
}

use crate::error::Result;
use crate::events::Block;
use crate::inspect::own_allocator;
use crate::model::{EstimatesBy, Moment, Origin, Profile, Snapshot};
use crate::reader::Recording;
use crate::replay::{self, BlockSink, Processes, RawSnapshot, Selection, Site};

/// The live blocks of `processes` at `moment` that are in `selection`, with their tracebacks.
///
/// # Errors
/// If the recording has no such process or moment.
pub fn take_snapshot(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
    selection: &Selection,
) -> Result<Snapshot> {
    Namer::new().take_snapshot(recording, processes, moment, selection)
}

/// The same added up by stack, tag, domain and process: memory is that of the stacks.
///
/// # Errors
/// If the recording has no such process or moment.
pub fn take_profile(
    recording: &Recording,
    processes: Processes,
    moment: &Moment,
    selection: &Selection,
) -> Result<Profile> {
    Namer::new().take_profile(recording, processes, moment, selection)
}

impl Namer {
    /// As [`take_snapshot`], with names that are known already.
    ///
    /// # Errors
    /// As there.
    pub fn take_snapshot(
        self,
        recording: &Recording,
        processes: Processes,
        moment: &Moment,
        selection: &Selection,
    ) -> Result<Snapshot> {
        let name = |namer: &mut Namer, blocks: Vec<Block>| namer.snapshot(recording, &blocks);
        let (mut snapshot, origin) = self.take(recording, processes, moment, selection, name)?;
        snapshot.origin = Some(origin);
        Ok(snapshot)
    }

    /// As [`take_profile`], with names that are known already.
    pub(crate) fn take_profile(
        self,
        recording: &Recording,
        processes: Processes,
        moment: &Moment,
        selection: &Selection,
    ) -> Result<Profile> {
        let name = |namer: &mut Namer, sums: EstimatesBy<Site>| namer.profile(recording, &sums);
        let (mut profile, origin) = self.take(recording, processes, moment, selection, name)?;
        profile.origin = Some(origin);
        Ok(profile)
    }

    /// The same with a row for each [`crate::model::Amount::size_class`].
    pub(crate) fn take_sized_profile(
        self,
        recording: &Recording,
        processes: Processes,
        moment: &Moment,
        selection: &Selection,
    ) -> Result<Profile> {
        let name = |namer: &mut Namer, sums: EstimatesBy<(Site, u8)>| {
            let sums = sums.into_sorted().map(|((site, _), amount, uncertainty)| (site, amount, uncertainty));
            namer.profile_of(recording, sums)
        };
        let (mut profile, origin) = self.take(recording, processes, moment, selection, name)?;
        profile.origin = Some(origin);
        Ok(profile)
    }

    /// What lives at the moment, with the names that `name` gives it, and where it is from.
    fn take<B: BlockSink + Default, T>(
        mut self,
        recording: &Recording,
        processes: Processes,
        moment: &Moment,
        selection: &Selection,
        name: impl FnOnce(&mut Namer, B) -> T,
    ) -> Result<(T, Origin)> {
        let raw: RawSnapshot<B> = replay::snapshot(recording, processes, moment, selection)?;
        self.limit_frames(raw.n_frames_max);
        let named = name(&mut self, raw.blocks);
        // After the names: it has what is not certain of them.
        let mut origin = self.origin(recording, processes, &raw.findings);
        origin.notes.extend(own_allocator::sentence(recording));
        let origin = Origin {
            moment: moment.to_string(),
            moment_ns: raw.moment_ns,
            live_bytes: raw.live.bytes,
            live_blocks: raw.live.count,
            ..origin
        };
        Ok((named, origin))
    }
}

#[cfg(test)]
mod tests {
    use tm_common::event::Event;
    use tm_common::functions::Function;
    use tm_common::ids::{Address, ProcessIndex, StackId, Stamp};
    use tm_common::metadata::CommandKind;
    use tm_common::stack::FrameKind;

    use super::*;
    use tm_testing::RecordingBuilder;

    const FIRST: ProcessIndex = ProcessIndex(0);

    /// `tm_start(n)` of a process that is not traced says how many frames its stacks show from there on.
    #[test]
    fn frames_are_as_many_as_were_kept_at_the_moment() {
        let mut builder = RecordingBuilder::with_process();
        builder.n_frames_max = 2;
        let child = builder.process(Some(0), 250, None);
        for (kind, argument, stamp) in [
            // Already traced: changes nothing.
            (CommandKind::Start, 9, 10),
            (CommandKind::Stop, 0, 100),
            (CommandKind::Start, 1, 200),
            (CommandKind::Stop, 0, 300),
            (CommandKind::Start, 3, 400),
        ] {
            builder.command(0, kind, argument, stamp, "");
        }
        let mut stack = StackId::NONE;
        for pc in 0..4 {
            stack = builder.node(stack, 0x1000 + pc);
        }
        let allocate = |address, stamp| {
            let (function, address, stamp) = (Function::Malloc, Address(address), Stamp(stamp));
            Event::Allocate { function, address, size: 1, stack, stamp }
        };
        for stamp in [50, 220, 500] {
            builder.event(FIRST, 0, &allocate(stamp, stamp));
        }
        builder.event(child, 1, &allocate(7, 600));
        let recording = Recording::open(builder.file().path()).expect("it is valid");
        let found = |process, moment: Moment| {
            let processes = Processes::One(process);
            let taken = take_snapshot(&recording, processes, &moment, &Selection::default());
            let snapshot = taken.expect("there is such a moment");
            let traceback = &snapshot.traces.last().expect("there is one").traceback;
            (snapshot.traceback_limit, traceback.frames().len(), traceback.total_nframe())
        };
        assert_eq!(found(FIRST, Moment::TimeNs(60)), (2, 2, Some(4)));
        assert_eq!(found(FIRST, Moment::TimeNs(250)), (1, 1, None));
        assert_eq!(found(FIRST, Moment::End), (3, 3, Some(4)));
        // The child goes on with what its parent had at the fork.
        assert_eq!(found(child, Moment::End), (1, 1, None));
        assert_eq!(recording.n_frames_max(), 9);
        let mut namer = Namer::new();
        for (limit, n_frames) in [(2, 2), (3, 3), (1, 1)] {
            namer.limit_frames(limit);
            assert_eq!(namer.traceback(&recording, stack).frames().len(), n_frames);
        }
        assert_eq!(namer.traceback(&recording, StackId::NONE).total_nframe(), None);
    }

    /// A frame says where its code is in its file, for tools that have the file.
    #[test]
    fn frames_keep_their_address_and_their_file() {
        let mut builder = RecordingBuilder::with_process();
        builder.module(0, 0, (0x1000, 0x9000), "/nowhere/program");
        let main = builder.node(StackId::NONE, 0x1234);
        let stack = builder.node(main, 0xf_0000);
        let recording = Recording::open(builder.file().path()).expect("it is valid");
        let traceback = Namer::new().traceback(&recording, stack);
        let [main, generated] = traceback.frames() else { panic!("{traceback:?}") };
        let file = main.module.as_ref().expect("it is in a file");
        assert_eq!((&*file.path, &*file.build_id), ("/nowhere/program", &[0xde, 0xad, 0xbe, 0xef][..]));
        assert_eq!((main.address, main.kind), (Some(0x234), FrameKind::Return));
        assert_eq!((generated.address, generated.module_path()), (Some(0xf_0000), Some("[anonymous code]")));
    }
}
