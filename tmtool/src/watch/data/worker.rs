//! Reads on a thread of its own, so that keys are answered at once, however much there is to read. Only the latest of what it
//! has seen waits to be shown: a terminal that takes nothing for an hour costs no memory.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::sample::Sample;
use super::source::{Choice, Source};
use crate::errors::Result;

/// How long it waits when names are still missing.
const BETWEEN_NAMES: Duration = Duration::from_millis(20);

/// What the user wants from here on.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What of a moment.
    pub choice: Choice,
    /// How long it is from one sample to the next; `None` while it is paused.
    pub interval: Option<Duration>,
    /// A sample now, besides.
    pub at_once: bool,
}

/// The thread. It ends when this is gone; nobody waits for it.
pub struct Worker {
    requests: Sender<Request>,
    latest: Arc<Latest>,
}

impl Worker {
    /// Starts it; `source` has made a sample a moment ago.
    pub fn start(source: Source, request: Request) -> Worker {
        let (requests, to_worker) = mpsc::channel();
        let latest = Arc::new(Latest::default());
        let seen = Arc::clone(&latest);
        thread::spawn(move || {
            // The error is the last that there is.
            if let Err(error) = work(source, request, &to_worker, &seen) {
                seen.replace(Some(Err(error)));
            }
        });
        Worker { requests, latest }
    }

    /// Asks for something else.
    pub fn ask(&self, request: Request) {
        // A thread that has ended has left its error, which is the next to be seen.
        let _ = self.requests.send(request);
    }

    /// The latest sample that is new.
    ///
    /// # Errors
    /// The recording cannot be read any more.
    pub fn latest(&self) -> Result<Option<Sample>> {
        self.latest.replace(None).transpose()
    }
}

/// The latest that was seen and not shown yet.
#[derive(Default)]
struct Latest(Mutex<Option<Result<Sample>>>);

impl Latest {
    /// Leaves `next`, and takes what was there.
    fn replace(&self, next: Option<Result<Sample>>) -> Option<Result<Sample>> {
        // Nobody panics while he holds it.
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}

fn work(
    mut source: Source,
    mut request: Request,
    requests: &Receiver<Request>,
    latest: &Latest,
) -> Result<()> {
    let mut advanced = Instant::now();
    loop {
        let until_next = request.interval.map(|interval| interval.saturating_sub(advanced.elapsed()));
        let wait = if source.has_unnamed() { Some(BETWEEN_NAMES) } else { until_next };
        match wait_for(requests, wait.into_iter().chain(until_next).min()) {
            Ok(next) => request = next,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        // Of several keys in a row the last one counts.
        while let Ok(next) = requests.try_recv() {
            request = Request { at_once: request.at_once || next.at_once, ..next };
        }
        let is_due = request.interval.is_some_and(|interval| advanced.elapsed() >= interval);
        if is_due || std::mem::take(&mut request.at_once) {
            advanced = Instant::now();
            source.advance()?;
        }
        latest.replace(Some(Ok(source.sample(request.choice, false))));
    }
}

fn wait_for(
    requests: &Receiver<Request>,
    timeout: Option<Duration>,
) -> std::result::Result<Request, RecvTimeoutError> {
    match timeout {
        Some(timeout) => requests.recv_timeout(timeout),
        None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

#[cfg(test)]
mod tests {
    use tm_common::ids::ProcessIndex;

    use super::super::source::Asked;
    use super::*;
    use tm_analyzer::model::KeyType;
    use tm_analyzer::replay::MemoryKind;
    use tm_analyzer::request::Grouping;
    use tm_testing::RecordingBuilder;

    #[test]
    fn who_looks_late_sees_the_latest_alone() {
        let file = RecordingBuilder::with_process().file();
        let source =
            Source::open(file.path(), "a.bin", ProcessIndex(0), None, &Grouping::default(), Asked::default())
                .unwrap();
        let request = |key_type| {
            let choice = Choice { key_type, memory_kind: MemoryKind::Traced };
            Request { choice, interval: None, at_once: false }
        };
        let worker = Worker::start(source, request(KeyType::Lineno));
        assert!(worker.latest().unwrap().is_none(), "nothing was asked for");
        let deadline = Instant::now() + Duration::from_secs(60);
        let seen = || worker.latest.0.lock().unwrap().as_ref().map(|it| it.as_ref().unwrap().key_type);
        for key_type in [KeyType::Function, KeyType::Module, KeyType::Filename] {
            worker.ask(request(key_type));
            // Not taken away, so the next one replaces it.
            while seen() != Some(key_type) {
                assert!(Instant::now() < deadline, "no sample by {key_type:?}");
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(worker.latest().unwrap().map(|sample| sample.key_type), Some(KeyType::Filename));
        assert!(worker.latest().unwrap().is_none());
    }
}
