//! The keeper of one recording: looks how fast it fills, and folds in time.

use std::mem;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::errors::{Error, Result};
use tm_analyzer::fold::{self, Folder};
use tm_analyzer::host::Lock;

use super::alive::Alive;
use super::file::KeptFile;
use super::recover::recover;
use super::room::Room;

/// A fold begins when less than this share of the limit is free, in hundredths: the rest is for what comes meanwhile. Where much
/// of the room is taken for good, it begins when a quarter is used of what the last one left, or after a while.
const FREE_SHARE: u64 = 50;
/// How long that while is: a multiple of what the last fold took.
const REST: u32 = 5;
/// It begins in any case when what is left is used at the present pace in this many times of what the last one took: there would
/// be no room by the time that it is done.
const FOLDS_AHEAD: f64 = 2.0;
/// Looks are no further apart, and no nearer.
const BETWEEN_LOOKS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// After a fold that came to nothing the next one is tried after this, and then after twice that, up to the second one.
const BETWEEN_TRIES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How many folds come to nothing, one after the other, before it is said: the last of them are up to the present moment.
const STUCK_AFTER: u32 = 6;
/// How often it is asked whether any process still writes.
const BETWEEN_LIVES: Duration = Duration::from_secs(1);
/// How long readers are waited for before room is given back that they may be reading.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fewer free grains than these, and a fold begins.
fn wanted_grains(room: &Room) -> u64 {
    room.file.limit_grains * FREE_SHARE / 100
}

/// Lets keepers write, each without waiting for others, until somebody who goes on to read closes it.
#[derive(Debug, Default)]
pub struct Gate {
    is_closed: AtomicBool,
    writing: RwLock<()>,
}

impl Gate {
    /// Lets nothing be written any more, once what is being written is whole.
    pub fn close(&self) {
        // Relaxed: the lock orders what was written.
        self.is_closed.store(true, Ordering::Relaxed);
        drop(self.writing.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        // Relaxed: decides when to end, nothing else.
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Runs `write`, unless it is closed.
    fn pass<T>(&self, write: impl FnOnce() -> T) -> Option<T> {
        let _writing = self.writing.read().unwrap_or_else(PoisonError::into_inner);
        (!self.is_closed()).then(write)
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another step, after a while.
    After(Duration),
    /// Nothing: all processes have ended.
    Ended,
}

/// What came of a fold.
enum Came {
    Room,
    Nothing,
    NoRoom,
    Ended,
}

/// A recording that is kept.
#[derive(Debug)]
pub struct Keeper {
    room: Room,
    folder: Folder,
    alive: Alive,
    /// When the free grains were counted, and how many there were.
    looked: (Instant, u64),
    /// How many grains were used in a second, between the latest two times that they were counted.
    pace: f64,
    /// What the last fold took, in seconds.
    took: f64,
    lived: Instant,
    fold_below: u64,
    /// When it may fold although that much is not used.
    rested: Instant,
    pause: Duration,
    /// How many folds came to nothing since one that did not.
    n_vain: u32,
    is_told: bool,
}

impl Keeper {
    /// Becomes the keeper of the recording at `path`, which sentences call `name`.
    ///
    /// # Errors
    /// There is none, it has no limit, another one keeps it, or all of its processes have ended.
    pub fn of(path: &Path, name: &Path) -> Result<Keeper> {
        let file = KeptFile::open(path, name)?;
        let failed = |error| Error::io("read", name, error);
        let mut alive = Alive::new(file.identity().map_err(failed)?);
        if !alive.any(file.header()) {
            let what = "is written by nobody any more, so it does not grow";
            return Err(Error::Message(format!("{} {what}; read it as it is", name.display())));
        }
        if !file.lock(Lock::Keeper).map_err(|error| Error::io("lock", name, error))? {
            // Relaxed: a word for this sentence.
            let other = file.header().keeper.load(Ordering::Relaxed);
            let what = format!("is kept by process {other} already");
            return Err(Error::Message(format!("{} {what}; one is enough", name.display())));
        }
        file.header().keeper.store(std::process::id(), Ordering::Relaxed);
        let room = recover(file).map_err(failed)?;
        let now = Instant::now();
        let mut keeper = Keeper {
            looked: (now, room.free_grains()),
            pace: 0.0,
            took: 0.0,
            fold_below: wanted_grains(&room),
            room,
            folder: Folder::default(),
            alive,
            lived: now,
            rested: now,
            pause: BETWEEN_TRIES.0,
            n_vain: 0,
            is_told: false,
        };
        keeper.give_back(&[], &Gate::default())?;
        Ok(keeper)
    }

    /// The recording's name.
    pub fn name(&self) -> &Path {
        &self.room.file.path
    }

    /// Looks, and folds if that is needed.
    ///
    /// # Errors
    /// The recording cannot be read or written, or what lives needs more than the limit leaves. The next step may succeed.
    pub fn step(&mut self, gate: &Gate) -> Result<Next> {
        if self.lived.elapsed() >= BETWEEN_LIVES {
            if !self.alive.any(self.room.file.header()) {
                return Ok(Next::Ended);
            }
            self.lived = Instant::now();
        }
        let free = self.look();
        let wanted = wanted_grains(&self.room);
        let now = Instant::now();
        let is_urgent = (free as f64) < self.pace * self.took * FOLDS_AHEAD;
        if free > wanted || free > self.fold_below && now < self.rested && !is_urgent {
            return Ok(Next::After(self.until_next_look(free)));
        }
        let came = self.fold(gate)?;
        let pause = self.pause;
        self.pause = (self.pause * 2).min(BETWEEN_TRIES.1);
        self.rested = Instant::now() + (now.elapsed() * REST).max(pause);
        self.took = now.elapsed().as_secs_f64();
        match came {
            Came::Ended => Ok(Next::Ended),
            Came::Room => {
                let free = self.room.free_grains();
                self.fold_below = wanted.min(free - free / 4);
                self.looked = (Instant::now(), free);
                (self.pause, self.n_vain) = (BETWEEN_TRIES.0, 0);
                Ok(Next::After(BETWEEN_LOOKS.0))
            }
            Came::Nothing | Came::NoRoom => {
                self.n_vain = self.n_vain.saturating_add(1);
                let has_no_room = matches!(came, Came::NoRoom);
                let is_stuck = has_no_room || self.n_vain >= STUCK_AFTER && self.is_full(free);
                if is_stuck && !mem::replace(&mut self.is_told, true) {
                    return Err(self.stuck(has_no_room));
                }
                Ok(Next::After(pause))
            }
        }
    }

    /// Whether the processes find no room in it: `free` grains are fewer than the smallest extent that they take, or were.
    fn is_full(&self, free: u64) -> bool {
        free < self.room.file.extent_grains
    }

    /// Why nothing of it can be kept but what fits.
    fn stuck(&self, has_no_room: bool) -> Error {
        let what = if has_no_room {
            "has no room for what is to stand in place of its older events"
        } else {
            "has no room that could be given back: what its threads are writing takes all of its limit"
        };
        let next = "events are lost while it is full, what fits is kept: set a larger limit";
        Error::Message(format!("{} {what}; {next}", self.name().display()))
    }

    /// Counts the free grains, and how fast they are used.
    fn look(&mut self) -> u64 {
        let free = self.room.free_grains();
        let (then, before) = mem::replace(&mut self.looked, (Instant::now(), free));
        self.pace = before.saturating_sub(free) as f64 / then.elapsed().as_secs_f64().max(f64::EPSILON);
        free
    }

    /// Half of the time that it takes at the present pace until a fold is needed.
    fn until_next_look(&self, free: u64) -> Duration {
        let left = free.saturating_sub(self.fold_below) as f64;
        let (soonest, latest) = BETWEEN_LOOKS;
        let secs = (left / self.pace / 2.0).clamp(soonest.as_secs_f64(), latest.as_secs_f64());
        if secs.is_nan() { latest } else { Duration::from_secs_f64(secs) }
    }

    fn fold(&mut self, gate: &Gate) -> Result<Came> {
        let Some(done) = self.folded()? else { return Ok(Came::Nothing) };
        // A checkpoint that gives nothing back would be room lost.
        if done.is_empty() {
            return Ok(Came::Nothing);
        }
        let failed = |path: PathBuf| move |error| Error::io("write to", &path, error);
        let path = self.name().to_owned();
        let (bytes, until) = self.folder.encode().map_err(|error| Error::io("fold", &path, error))?;
        let wrote = gate.pass(|| {
            let Some(written) = self.room.write(&bytes, until).map_err(failed(path))? else {
                return Ok(Came::NoRoom);
            };
            self.room.publish(written);
            self.folder.stands(self.room.number);
            Ok(Came::Room)
        });
        match wrote {
            Some(Ok(Came::Room)) => {
                // The pace is that of the whole fold: what is given back now is not what was used.
                self.look();
                self.give_back(&done, gate).map(|()| Came::Room)
            }
            Some(other) => other,
            None => Ok(Came::Ended),
        }
    }

    /// Folds half of what may come back, and half of the rest for each fold that was in vain, if it is worth it. Returns the extents that
    /// may come back then; `None` if nothing is folded.
    fn folded(&mut self) -> Result<Option<Vec<Range<u64>>>> {
        let recording = self.folder.open(&self.room.file.path_to_open())?;
        let Some(until) = fold::moment(&recording, self.n_vain).or(self.folder.ahead()) else {
            return Ok(None);
        };
        Ok(Some(self.folder.fold(&recording, until)?))
    }

    /// Gives room back when no reader is at it; after a while all the same: readers notice.
    fn give_back(&mut self, done: &[Range<u64>], gate: &Gate) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let failed = |name: &Path, error| Error::io("write to", name, error);
        loop {
            let is_alone = self.room.file.lock(Lock::NoReader);
            let is_alone = is_alone.map_err(|error| failed(&self.room.file.path, error))?;
            if is_alone || Instant::now() >= deadline || gate.is_closed() {
                break;
            }
            thread::sleep(BETWEEN_LOOKS.0);
        }
        let given = gate.pass(|| self.room.give_back(done)).unwrap_or(Ok(()));
        self.room.file.unlock(Lock::NoReader);
        given.map_err(|error| failed(&self.room.file.path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn keepers_write_at_once_and_nothing_once_the_gate_is_closed() {
        let (gate, both_write) = (Gate::default(), Barrier::new(2));
        let write = || gate.pass(|| both_write.wait());
        thread::scope(|scope| {
            let other = scope.spawn(write);
            assert!(write().is_some());
            assert!(other.join().expect("it does not panic").is_some());
        });
        gate.close();
        assert!(gate.pass(|| ()).is_none() && gate.is_closed());
    }
}
