//! Reads on a thread of its own, so that keys are answered at once, however much there is to read.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::sample::Sample;
use super::source::{Choice, Source};
use crate::error::Result;

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
    samples: Receiver<Result<Sample>>,
}

impl Worker {
    /// Starts it; `source` has made a sample a moment ago.
    pub fn start(source: Source, request: Request) -> Worker {
        let (requests, to_worker) = mpsc::channel();
        let (from_worker, samples) = mpsc::channel();
        thread::spawn(move || {
            // The error is the last that is sent. That nobody hears it any more is the end as well.
            if let Err(error) = work(source, request, &to_worker, &from_worker) {
                let _ = from_worker.send(Err(error));
            }
        });
        Worker { requests, samples }
    }

    /// Asks for something else.
    pub fn ask(&self, request: Request) {
        // A thread that has ended has sent its error, which is the next to be seen.
        let _ = self.requests.send(request);
    }

    /// The latest sample that is new.
    ///
    /// # Errors
    /// The recording cannot be read any more.
    pub fn latest(&self) -> Result<Option<Sample>> {
        self.samples.try_iter().try_fold(None, |_, sample| sample.map(Some))
    }
}

fn work(
    mut source: Source,
    mut request: Request,
    requests: &Receiver<Request>,
    samples: &Sender<Result<Sample>>,
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
        if samples.send(Ok(source.sample(request.choice, false))).is_err() {
            return Ok(());
        }
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
