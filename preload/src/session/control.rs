//! The two words that hooks look at before anything else.
//!
//! ```text
//!  control   in the file, in the process's record: whether it records, and whether it is asked for something. Whoever
//!            holds the mapped file may change it: that is how tmtool speaks to a running process.
//!  own       in a page that the kernel wipes in a forked child: one more than the process's number, so 0 says that this
//!            is a child which is not a process of the recording yet. It is what the thread's place is compared with.
//! ```

use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use tm_common::metadata::control;

use super::Mode;

/// A bit of the word before there is a recording: the first hook starts it.
const NEW: u32 = 1 << 31;
/// What [`Control::own`] says while a child is being made a process of its own.
const FORKED: u32 = u32::MAX;

static BEFORE_START: AtomicU32 = AtomicU32::new(NEW);
static NEVER: AtomicU32 = AtomicU32::new(control::IDLE);
static NOBODY: AtomicU32 = AtomicU32::new(0);
static NO_CHILD: AtomicU32 = AtomicU32::new(FORKED);
/// Serves a process whose record did not fit the recording.
static WITHOUT_RECORD: AtomicU32 = AtomicU32::new(0);

/// Where the words are.
#[derive(Debug)]
pub struct Control {
    control: AtomicPtr<AtomicU32>,
    own: AtomicPtr<AtomicU32>,
}

/// What the control word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Events are recorded.
    On,
    /// Samples are, by the rate of this word.
    Sampled(u32),
    /// They are not.
    Off,
    /// Something is to be done first.
    Attend,
    /// The recording has not begun.
    New,
}

impl Control {
    /// Where the pointers to the two words stand.
    pub const OFFSETS: (usize, usize) =
        (core::mem::offset_of!(Control, control), core::mem::offset_of!(Control, own));

    /// Makes the control as it is before the start.
    pub const fn new() -> Control {
        Control {
            control: AtomicPtr::new((&raw const BEFORE_START).cast_mut()),
            own: AtomicPtr::new((&raw const NOBODY).cast_mut()),
        }
    }

    fn word(&self) -> &AtomicU32 {
        // Acquire: receives what the start or the fork has set up.
        // SAFETY: points to a static or into a segment, which stays mapped.
        unsafe { &*self.control.load(Ordering::Acquire) }
    }

    /// Returns what the control word says.
    #[inline(always)]
    pub fn state(&self) -> State {
        // Relaxed: commands take effect by their stamps, and what the start has set up came with the pointer.
        match self.word().load(Ordering::Relaxed) {
            0 => State::On,
            control::IDLE => State::Off,
            word if word & (NEW | control::ATTEND | control::IDLE) == 0 => State::Sampled(word),
            word if word & NEW == 0 => State::Attend,
            _ => State::New,
        }
    }

    /// Returns the first content of a control word; `on` is what it is while the process records.
    pub fn first_word(on: Option<u32>) -> u32 {
        on.unwrap_or(control::IDLE)
    }

    /// Makes hooks read `word`, of a process's record, which says what it should; null if it has none. Somebody outside
    /// may have changed it already.
    pub fn use_word(&self, word: *const AtomicU32, on: Option<u32>) {
        let is_recorded = !word.is_null();
        let word = if is_recorded { word } else { &raw const WITHOUT_RECORD };
        if !is_recorded {
            // SAFETY: a static. Relaxed: published with the pointer.
            unsafe { (*word).store(Control::first_word(on), Ordering::Relaxed) };
        }
        // Release: publishes what was set up.
        self.control.store(word.cast_mut(), Ordering::Release);
    }

    /// Makes nothing ever be recorded, in forked children neither.
    pub fn never(&self) {
        // Relaxed: a static.
        self.own.store((&raw const NO_CHILD).cast_mut(), Ordering::Relaxed);
        // Release: for good measure, nothing was set up.
        self.control.store((&raw const NEVER).cast_mut(), Ordering::Release);
    }

    /// Tells whether there can be something to record at all.
    pub fn is_never(&self) -> bool {
        core::ptr::eq(self.word(), &raw const NEVER)
    }

    /// Tells whether [`control::IDLE`] is set.
    pub fn is_idle(&self) -> bool {
        // Relaxed: as in `state`.
        self.word().load(Ordering::Relaxed) & control::IDLE != 0
    }

    /// Makes the word say that the process records, as `on` says, or is idle. What it is asked for meanwhile stays.
    pub fn set_on(&self, on: Option<u32>) {
        let new = Control::first_word(on);
        // Relaxed, both: as in `state`.
        let _ = self
            .word()
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| Some(word & control::ATTEND | new));
    }

    /// Returns the word as it is, for who compares it with one that he has from [`Control::sampling`].
    #[inline(always)]
    pub fn present(&self) -> u32 {
        // Relaxed: as in `state`.
        self.word().load(Ordering::Relaxed)
    }

    /// Returns what is recorded, whether or not there is something to be done besides.
    pub fn mode(&self) -> Mode {
        match self.present() & !control::ATTEND {
            0 => Mode::Every,
            word if word & (NEW | control::IDLE) == 0 => Mode::Samples(word),
            _ => Mode::Off,
        }
    }

    /// Returns the word, as for a process that need not attend, if samples are recorded now.
    pub fn sampling(&self) -> Option<u32> {
        match self.mode() {
            Mode::Samples(word) => Some(word),
            Mode::Every | Mode::Off => None,
        }
    }

    /// Makes the next event of any thread attend to requests, or to what else there is to be done.
    pub fn ask_for_attention(&self) {
        // Relaxed: as in `state`.
        self.word().fetch_or(control::ATTEND, Ordering::Relaxed);
    }

    /// Says that requests are being looked at; later ones say so again.
    pub fn attend(&self) {
        // Acquire: receives the requests that were made before the bit was set.
        self.word().fetch_and(!control::ATTEND, Ordering::Acquire);
    }

    /// Returns one more than the number of this process; 0 in a child that has none yet.
    #[inline(always)]
    pub fn own(&self) -> u32 {
        // Acquire: receives what the fork has set up. The pointer is set before there are other threads.
        // SAFETY: points to a static or to a page that is never unmapped.
        unsafe { (*self.own.load(Ordering::Relaxed)).load(Ordering::Acquire) }
    }

    /// Tells whether [`Control::own`] is the number of a process.
    pub fn has_number(own: u32) -> bool {
        own != 0 && own != FORKED
    }

    /// Makes hooks read `word`, which the kernel wipes in a child.
    pub fn use_own(&self, word: &'static AtomicU32, number: u32) {
        // Release: publishes what was set up.
        word.store(number, Ordering::Release);
        self.own.store(core::ptr::from_ref(word).cast_mut(), Ordering::Relaxed);
    }

    /// Says that this is a child which has no number yet, where the kernel does not.
    pub fn forget_own(&self) {
        // SAFETY: as in `own`. Relaxed: the child has one thread.
        unsafe { (*self.own.load(Ordering::Relaxed)).store(0, Ordering::Relaxed) };
    }

    /// Claims the making of this child a process: `Err` with what the word says if somebody else has.
    pub fn begin_child(&self) -> Result<(), u32> {
        // SAFETY: as in `own`.
        let own = unsafe { &*self.own.load(Ordering::Relaxed) };
        // Acquire: receives what was set up if it was just finished.
        own.compare_exchange(0, FORKED, Ordering::Acquire, Ordering::Acquire).map(|_| ())
    }

    /// Ends it.
    pub fn finish_child(&self, number: u32) {
        // SAFETY: as in `own`. Release: publishes what was set up.
        unsafe { (*self.own.load(Ordering::Relaxed)).store(number, Ordering::Release) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use tm_common::sampling::SampleRate;

    /// What is recorded does not change while a request waits, or while calls are watched.
    #[test]
    fn what_there_is_to_do_besides_changes_nothing_of_what_is_recorded() {
        let control = Control::new();
        assert_eq!(control.mode(), Mode::Off, "before the start");
        let word: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
        control.use_word(word, Some(0));
        let rate = SampleRate::of_bytes(4096).expect("it is one");
        let sampled = control::sampling(rate, 3);
        for (on, mode) in [(Some(0), Mode::Every), (Some(sampled), Mode::Samples(sampled)), (None, Mode::Off)]
        {
            control.set_on(on);
            assert_eq!(control.mode(), mode);
            control.ask_for_attention();
            assert_eq!(control.mode(), mode, "while there is something to be done");
            control.attend();
        }
    }
}
