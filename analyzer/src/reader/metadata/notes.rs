//! What the recorder noticed that every report must say: folded to one sentence a reason.

use tm_common::ids::ProcessIndex;
use tm_common::metadata::NoteReason;

use crate::reader::Recording;
use crate::text::words::named;

/// One thing that was noticed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// A [`NoteReason`], or one that a later version added.
    pub reason: u32,
    /// The process that noted it.
    pub process: ProcessIndex,
    /// What it is about, mostly a path.
    pub text: String,
}

/// What a sentence says before it names what it is about.
fn lead(reason: NoteReason) -> &'static str {
    match reason {
        NoteReason::ExecutedStatic => "Executed programs that are static cannot be recorded",
        NoteReason::ExecutedForeign => {
            "Executed programs of another C library than glibc and musl cannot be recorded"
        }
        NoteReason::ExecutedPrivileged => "Executed programs that gain rights cannot be recorded",
        NoteReason::OwnNamespace => {
            "Libraries in a namespace of their own (dlmopen) have their own C library, and their blocks are not recorded"
        }
        NoteReason::Collector => {
            "Blocks of a garbage collector are in a domain of their own (--domain gc) and stay there until the program frees \
             them or their address is used again, because what the collector frees is not seen"
        }
        NoteReason::DeepBind => {
            "Libraries opened with RTLD_DEEPBIND: some of their calls are not recorded, and blocks may look leaked"
        }
        NoteReason::FreedAtOnce => {
            "Functions that free all blocks of a heap or arena at once were called, and these blocks count as live until their \
             addresses are used again"
        }
        NoteReason::ManySegments => {
            "Modules with more loadable segments than are recorded: addresses in the others have no names"
        }
        NoteReason::EarlyConstructors => {
            "Libraries whose constructors ran before their calls could be recorded, so that what these may have allocated is \
             missing"
        }
        NoteReason::Attached => {
            "Attached while it ran, so blocks from before are in no figure, leaks are what was allocated since, and frees of \
             older blocks are counted apart"
        }
    }
}

impl Recording {
    /// What was noticed by any process, one sentence a reason, and interpreters whose frames are not read.
    pub fn note_sentences(&self) -> impl Iterator<Item = String> {
        let noticed = self.notes.chunk_by(|one, other| one.reason == other.reason).map(sentence);
        noticed.chain(self.unread_interpreters())
    }
}

/// What was noticed in several recordings, one sentence a reason.
pub fn sentences(mut notes: Vec<Note>) -> Vec<String> {
    notes.sort_unstable();
    notes.chunk_by(|one, other| one.reason == other.reason).map(sentence).collect()
}

/// The sentence on notes of one reason.
fn sentence(notes: &[Note]) -> String {
    let mut texts: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    let reason = notes.first().map_or(0, |note| note.reason);
    let lead = NoteReason::from_id(reason).map_or_else(
        || format!("The recorder noticed something that this tmtool does not know (reason {reason})"),
        |reason| lead(reason).to_owned(),
    );
    format!("{lead}: {}.", named(&texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_testing::RecordingBuilder;

    #[test]
    fn there_is_one_sentence_a_reason() {
        let mut builder = RecordingBuilder::with_process();
        builder.process(Some(0), 10, None);
        for (process, text) in [(1, "/e"), (0, "/b"), (1, "/a"), (0, "/a"), (0, "/c"), (0, "/d")] {
            builder.note(process, NoteReason::ExecutedStatic as u32, text);
        }
        builder.note(0, 999, "of later");
        let recording = Recording::open(builder.file().path()).expect("it is valid");
        let later = "The recorder noticed something that this tmtool does not know (reason 999): of later.";
        let executed = "Executed programs that are static cannot be recorded: /a, ";
        assert_eq!(
            recording.note_sentences().collect::<Vec<_>>(),
            [format!("{executed}/b, /c and 2 more."), later.to_owned()]
        );
    }
}
