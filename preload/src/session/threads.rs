//! The threads that record: their streams and their room for stacks, kept after them for the next thread.
//!
//! Nothing is run when a thread ends: its last frees come after all destructors. A thread that needs a place looks for
//! one whose thread the kernel no longer knows.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use tm_common::event::Event;
use tm_common::header::Loss;
use tm_common::ids::{Space, Stamp, TagIndex, ThreadIndex};

use super::sampler::{Counting, Sampler};
use super::{Session, fork};
use crate::lockfree::places::{Place, Places};
use crate::python::chain::Chain;
use crate::python::recent::Recent;
use crate::recording::identity::Identity;
use crate::recording::own_extent::OwnExtent;
use crate::recording::stream::Stream;
use crate::sys::memory::pages;
use crate::sys::process::signals::SignalsBlocked;
use crate::sys::syscall::{self, ThreadName};
use crate::sys::tls::{self, ThreadBlock};
use crate::unwind::Frames;
use crate::unwind::stack_cache::StackCache;
use crate::unwind::stack_memory::StackMemory;

/// The number of events of one thread that may be under way: its own, and that of a signal handler that interrupted it
/// there.
pub const LANES: usize = 2;
const _: () = assert!(size_of::<[usize; LANES]>() == 16, "ThreadBlock::entries has one for each");
/// The number of places that a new thread asks the kernel about before it makes another one.
const PROBES_MAX: usize = 16;
/// The number of stacks after which a thread's name is looked at, and again after as many more as fit a name change's
/// pace.
const NAME_CHECKS: (u32, u32) = (64, 1 << 14);

/// The number of no tag.
const TAG_UNKNOWN: u32 = u32::MAX;

/// What one event under way uses alone. All zeros is a fresh one.
#[derive(Debug)]
pub struct Lane {
    /// Where its events go.
    pub stream: Stream,
    /// The last stack.
    pub cache: StackCache,
    /// The frames of a stack that the cache cannot hold.
    pub frames: Frames,
    /// The last Python frames.
    pub python: Chain,
    /// The nodes of Python frames and joined stacks that it has entered lately.
    pub recent: Recent,
    /// The thread's stacks.
    pub memory: StackMemory,
    /// Stacks walked so far.
    pub n_stacks: u32,
    /// The tag that its latest events carry; [`TAG_UNKNOWN`] if that may not be written.
    pub tag: u32,
    /// Where its samples go.
    pub samples: Stream,
    /// The tag that its latest samples carry.
    pub samples_tag: u32,
}

/// What a thread has in its place, in private memory of its own. All zeros is a fresh one. The lanes stand first: an
/// instruction less an event.
#[repr(C)]
#[derive(Debug)]
pub struct Thread {
    lanes: [UnsafeCell<Lane>; LANES],
    identity: Identity,
    /// The `pthread_t`, by which others name it.
    handle: AtomicUsize,
    /// What it samples by, by space; null before it does.
    samplers: AtomicPtr<Sampler>,
    /// How often there was no room for them.
    n_without_samplers: AtomicU32,
}

unsafe extern "C" {
    safe fn pthread_self() -> libc::pthread_t;
}

impl Lane {
    /// Makes the lane fit for use after an event that was never finished: what it has written so far of its segment
    /// stays, the rest of it does not agree with the encoder any more.
    #[cold]
    pub fn recover(&mut self) {
        self.stream.abandon_segment();
        self.samples.abandon_segment();
        self.cache.clear_all();
        self.python.clear();
        self.recent.clear();
        (self.tag, self.samples_tag) = (TAG_UNKNOWN, TAG_UNKNOWN);
    }

    /// Writes the thread's tag, which is another than that of the lane's latest events, before an event of `stamp`.
    #[cold]
    pub fn begin_tag(&mut self, session: &Session, tag: u32, stamp: Stamp) {
        self.tag = write_tag(&mut self.stream, session, tag, stamp);
    }

    /// Does the same for the thread's samples.
    #[cold]
    pub fn begin_samples_tag(&mut self, session: &Session, tag: u32, stamp: Stamp) {
        self.samples_tag = write_tag(&mut self.samples, session, tag, stamp);
    }
}

/// Writes a tag; the one that the stream's events carry from here on.
fn write_tag(stream: &mut Stream, session: &Session, tag: u32, stamp: Stamp) -> u32 {
    let written = stream.try_write(&session.recording, Event::Tag { tag: TagIndex(tag), stamp });
    if written { tag } else { TAG_UNKNOWN }
}

impl Thread {
    /// Returns what the thread, which is the calling one, samples by in `space`. `None` if nothing is sampled now, or there is no
    /// room to count in: that is an event that is lost.
    #[cold]
    pub fn sampler(&self, session: &Session, space: Space) -> Option<Counting> {
        let word = session.control.sampling()?;
        // Relaxed: only changed by the thread that owns the place.
        let mut samplers = self.samplers.load(Ordering::Relaxed);
        if samplers.is_null() {
            samplers = self.map_samplers();
            self.samplers.store(samplers, Ordering::Relaxed);
        }
        if samplers.is_null() {
            session.recording.lose(Loss::NoMemory);
            return None;
        }
        // SAFETY: the calling thread's own block.
        unsafe { tls::current().as_mut() }.samplers = samplers.cast();
        // SAFETY: there is one for each space; never unmapped.
        let sampler: &'static Sampler = unsafe { &*samplers.add(usize::from(space.0)) };
        sampler.of(word).or_else(|| {
            let is_begun = sampler.begin(session, self.index(), space, word);
            is_begun.then(|| sampler.of(word)).flatten()
        })
    }

    /// Maps room for what it samples by; null if there is none. The more often there was none, the less often the system is asked.
    fn map_samplers(&self) -> *mut Sampler {
        // Relaxed, all: only changed by the thread that owns the place.
        let n_times = self.n_without_samplers.load(Ordering::Relaxed).wrapping_add(1);
        let samplers: *mut Sampler = if n_times.is_power_of_two() {
            pages::wiped_on_fork(Space::COUNT_MAX, fork::is_told())
        } else {
            core::ptr::null_mut()
        };
        self.n_without_samplers.store(if samplers.is_null() { n_times } else { 0 }, Ordering::Relaxed);
        samplers
    }

    /// Returns a lane of the calling thread.
    pub fn lane(&self, depth: usize) -> *mut Lane {
        self.lanes.get(depth).map_or(core::ptr::null_mut(), UnsafeCell::get)
    }

    /// Returns the lane that is used where nothing of the calling thread's is under way.
    #[inline(always)]
    pub fn first_lane(&self) -> NonNull<Lane> {
        let [first, ..] = &self.lanes;
        // SAFETY: the address of a part of the thread.
        unsafe { NonNull::new_unchecked(first.get()) }
    }

    /// Returns its number in the recording.
    pub fn index(&self) -> ThreadIndex {
        self.identity.index()
    }

    /// Returns the same of what names it, for which it is recorded.
    pub fn recorded_index(&self, session: &Session) -> ThreadIndex {
        self.identity.record(&session.recording, session.recording.now())
    }

    /// Records the thread's name if it has changed. Called by the thread itself, now and then.
    #[inline]
    pub fn look_at_name(&self, session: &Session, n_stacks: u32) {
        let (first, interval) = NAME_CHECKS;
        if n_stacks & (interval - 1) == first {
            self.identity.look_at_name(&session.recording);
        }
    }
}

/// Records the name of a thread that has named itself. The hooks of the functions that do it call this, and the end of
/// the process does. A thread that has not recorded yet is known by its name when it does.
#[cold]
pub fn renamed(session: &Session) {
    // SAFETY: the calling thread's own.
    let block = unsafe { tls::current().as_ref() };
    // A child of vfork has its parent's memory, and another name.
    let is_own = || syscall::getpid() == session.pid.load(Ordering::Relaxed);
    if block.process != session.control.own() || !session.is_process() || !is_own() {
        return;
    }
    // SAFETY: null, or the thread's place, which stays mapped.
    if let Some(thread) = unsafe { block.thread.cast::<Thread>().as_ref() } {
        thread.identity.has_renamed_itself(&session.recording);
    }
}

/// Returns what the calling thread's streams have for themselves.
pub fn own_extents<'a>() -> [Option<&'a OwnExtent>; 2 * LANES] {
    // SAFETY: the calling thread's own block.
    let place = unsafe { tls::current().as_ref() }.thread.cast::<Thread>();
    // SAFETY: null, or the thread's place, which stays mapped.
    let thread = unsafe { place.as_ref() };
    // SAFETY: the thread itself has no event under way, or is in a signal handler, and changes nothing there.
    let lane = |depth| thread.and_then(|it| unsafe { it.lane(depth).as_ref() });
    core::array::from_fn(|place| {
        let stream = |lane: &'a Lane| if place < LANES { &lane.stream } else { &lane.samples };
        lane(place % LANES).map(|lane| stream(lane).own_extent())
    })
}

/// Records the name that the calling thread has given the thread `handle`.
#[cold]
pub fn other_renamed(session: &Session, handle: libc::pthread_t, name: ThreadName) {
    if session.is_process() {
        session.threads.rename(session, handle, name);
    }
}

/// All places of the process.
#[derive(Debug)]
pub struct Threads(Places<Thread>);

impl Threads {
    /// Makes an empty list.
    pub const fn new() -> Threads {
        Threads(Places::new())
    }

    /// Returns the latest stamp that any thread has written.
    ///
    /// In a forked child: what stands in its copy of the parent's memory was written before the fork, and what the
    /// parent writes later has later stamps; so this is the moment of the fork.
    pub fn latest_stamp(&self) -> Stamp {
        let lanes = self.0.iter().flat_map(|thread| thread.lanes.iter());
        // SAFETY: the process has one thread now.
        let lanes = lanes.map(|lane| unsafe { &*lane.get() });
        let latest = |lane: &Lane| lane.stream.latest_stamp().max(lane.samples.latest_stamp());
        lanes.map(latest).max().unwrap_or(Stamp(0))
    }

    /// Empties what the parent's threads sampled by, where the kernel may not have.
    pub fn empty_samplers(&self) {
        for thread in self.0.iter() {
            // Relaxed: the process has one thread now.
            let samplers = thread.samplers.load(Ordering::Relaxed);
            if !samplers.is_null() {
                // SAFETY: there is one for each space; all zeros is a fresh one.
                unsafe { samplers.write_bytes(0, Space::COUNT_MAX) };
            }
        }
    }

    /// Forgets what the parent's threads sampled by: the calling thread's block may name it still, and nobody else is to get it.
    pub fn after_fork(&self) {
        // Relaxed: the process has one thread now.
        self.0.iter().for_each(|thread| thread.samplers.store(core::ptr::null_mut(), Ordering::Relaxed));
    }

    /// Returns the calling thread's place, by its block, if it has one in this process.
    #[inline(always)]
    pub fn known(&self, session: &Session, block: &ThreadBlock) -> Option<&'static Thread> {
        // SAFETY: null, or a place, which stays mapped.
        let thread = unsafe { block.thread.cast::<Thread>().as_ref() };
        thread.filter(|_| block.process == session.control.own())
    }

    /// Returns the same; the thread is given a place if it has none. `None` if there can be none.
    pub fn of_caller(&self, session: &Session, block: &mut ThreadBlock) -> Option<&'static Thread> {
        self.known(session, block).or_else(|| {
            // SAFETY: a place, which stays mapped.
            self.register(session, block).map(|place| unsafe { &*place })
        })
    }

    /// Gives the calling thread a place: a dead thread's, or a new one. `None` if there can be none; then an event is
    /// counted as lost.
    #[cold]
    fn register(&self, session: &Session, block: &mut ThreadBlock) -> Option<*const Thread> {
        // In a forked child this is where it notices; a loss is counted there.
        if !session.is_process() {
            return None;
        }
        let place = self.find_place(session, block);
        if place.is_none() {
            session.recording.lose(Loss::NoMemory);
        }
        place
    }

    fn find_place(&self, session: &Session, block: &mut ThreadBlock) -> Option<*const Thread> {
        // A child of vfork is another process with this one's memory: its thread will end, and this one's goes on.
        // Relaxed: constant between forks.
        let pid = session.pid.load(Ordering::Relaxed);
        if syscall::getpid() != pid {
            return None;
        }
        // A handler that left by siglongjmp would leave a place that nobody has.
        let _blocked = SignalsBlocked::now();
        let tid = syscall::gettid();
        let free = self.0.take_over(tid, PROBES_MAX, |owner| syscall::thread_exists(pid, owner));
        let place = free.or_else(|| self.append(tid))?;
        // SAFETY: places are never unmapped.
        let place: &'static Thread = unsafe { &*core::ptr::from_ref(place) };
        let header = session.recording.header()?;
        // Relaxed: numbers only have to be distinct.
        let index = ThreadIndex(header.n_threads.fetch_add(1, Ordering::Relaxed));
        place.identity.assign(index, tid);
        // Release: publishes the two numbers to who looks for the thread.
        place.handle.store(pthread_self() as usize, Ordering::Release);
        for lane in &place.lanes {
            // SAFETY: the place is this thread's alone now.
            let lane = unsafe { &mut *lane.get() };
            lane.memory.clear();
            lane.cache.clear();
            lane.python.clear();
            lane.python.at_home = 0;
            lane.n_stacks = 0;
            lane.stream.hand_over(&session.recording, &place.identity);
            lane.samples.hand_over(&session.recording, &place.identity);
            (lane.tag, lane.samples_tag) = (0, 0);
        }
        block.samplers = core::ptr::null_mut();
        block.thread = core::ptr::from_ref(place).cast_mut().cast();
        block.process = session.recording.process().0 + 1;
        Some(place)
    }

    /// Records the name of the thread with this handle, if it has a place. A handle is given to another thread when one
    /// has ended, so the thread that has it must live.
    fn rename(&self, session: &Session, handle: libc::pthread_t, name: ThreadName) {
        // Relaxed: constant between forks.
        let pid = session.pid.load(Ordering::Relaxed);
        // Acquire: receives the thread's numbers.
        let mut found =
            self.0.iter().filter(|thread| thread.handle.load(Ordering::Acquire) == handle as usize);
        let thread = found.find(|thread| syscall::thread_exists(pid, thread.identity.tid()));
        if let Some(thread) = thread {
            thread.identity.was_renamed(&session.recording, name);
        }
    }

    fn append(&self, tid: u32) -> Option<&Thread> {
        let place: *mut Place<Thread> = pages::zeroed(1);
        if place.is_null() {
            return None;
        }
        // SAFETY: fresh memory that is never unmapped, for which all zeros is a place.
        Some(unsafe { self.0.append(place, tid) })
    }
}
