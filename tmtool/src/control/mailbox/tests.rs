//! Claims on requests: none is lost or taken twice, with a thread in the place of the process.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;
use crate::errors::Error;

const PROCESS: ProcessIndex = ProcessIndex(3);

/// The header and the control word of a process that nobody has asked for anything.
fn shared() -> (Box<MappedHeader>, AtomicU32) {
    // SAFETY: a header of zeros is one: it consists of numbers.
    (Box::new(unsafe { std::mem::zeroed() }), AtomicU32::new(0))
}

fn to(process: ProcessIndex) -> Addressee {
    Addressee::new(process, std::process::id())
}

fn order(kind: CommandKind) -> Order<'static> {
    Order { kind, argument: 7, name: "a" }
}

/// What the process does when its control word says so: (stamp, name) of what it finds, in order.
fn attend(header: &MappedHeader, control: &AtomicU32) -> Vec<(u64, String)> {
    if control.load(Ordering::Relaxed) & control::ATTEND == 0 {
        return Vec::new();
    }
    control.fetch_and(!control::ATTEND, Ordering::Acquire);
    let mut taken = Vec::new();
    while let Some(slot) = header
        .requests
        .iter()
        .filter(|it| it.is_ready_for(PROCESS))
        .min_by_key(|it| it.stamp.load(Ordering::Relaxed))
    {
        let bytes: Vec<u8> =
            slot.name.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        let name = String::from_utf8(name.to_vec()).expect("it was written whole");
        taken.push((slot.stamp.load(Ordering::Relaxed), name));
        slot.state.store(request::FREE, Ordering::Release);
    }
    taken
}

#[test]
fn requests_of_many_are_taken_once_each_and_whole() {
    const N_THREADS: u64 = 4;
    const N_EACH: u64 = 300;
    let (header, control) = shared();
    let (clock, done, lock) = (AtomicU64::new(1), AtomicBool::new(false), Mutex::new(()));
    let mut taken = thread::scope(|scope| {
        let process = scope.spawn(|| {
            let mut taken = Vec::new();
            loop {
                let is_last = done.load(Ordering::Acquire);
                taken.extend(attend(&header, &control));
                if is_last {
                    return taken;
                }
            }
        });
        let senders: Vec<_> = (0..N_THREADS)
            .map(|sender| {
                let (header, control, clock, lock) = (&header, &control, &clock, &lock);
                scope.spawn(move || {
                    for number in 0..N_EACH {
                        let name = format!("{sender}-{number}-{}", "x".repeat((number % 90) as usize));
                        let order = Order { kind: CommandKind::Mark, argument: 0, name: &name };
                        let now = || Stamp(clock.fetch_add(1, Ordering::Relaxed));
                        let post = || {
                            let _held = lock.lock().expect("nobody panics");
                            post(header, control, to(PROCESS), order, now)
                        };
                        // All places may be taken for a moment.
                        while post().is_none() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().expect("it does not panic"));
        done.store(true, Ordering::Release);
        process.join().expect("it does not panic")
    });
    assert_eq!(taken.len() as u64, N_THREADS * N_EACH);
    // A search that is under way may find a later one and not the one before, which came behind it. Their stamps tell.
    taken.sort();
    for sender in 0..N_THREADS {
        let own = taken.iter().filter(|(_, name)| name.starts_with(&format!("{sender}-")));
        let numbers: Vec<u64> = own
            .map(|(_, name)| name.split('-').nth(1).expect("it is whole").parse().expect("it is"))
            .collect();
        assert_eq!(numbers, (0..N_EACH).collect::<Vec<_>>());
    }
    taken.dedup_by_key(|(stamp, _)| *stamp);
    assert_eq!(taken.len() as u64, N_THREADS * N_EACH, "no stamp is there twice");
}

#[test]
fn what_was_asked_last_counts_before_the_process_has_seen_it() {
    let (header, control) = shared();
    let state = || state(&header, &control, PROCESS);
    let post = |process, kind, stamp| {
        post(&header, &control, to(process), order(kind), || Stamp(stamp)).expect("there is room")
    };
    assert_eq!(state(), State::Tracing);
    let stop = post(PROCESS, CommandKind::Stop, 10);
    assert_eq!(control.load(Ordering::Relaxed), control::IDLE | control::ATTEND);
    assert_eq!(state(), State::Idle);
    post(PROCESS, CommandKind::Start, 20);
    assert_eq!(
        control.load(Ordering::Relaxed),
        control::IDLE | control::ATTEND,
        "the process begins by itself"
    );
    assert_eq!(state(), State::Tracing);
    post(PROCESS, CommandKind::Mark, 30);
    post(ProcessIndex(4), CommandKind::Stop, 40);
    assert_eq!(state(), State::Tracing);
    assert!(is_waiting(&header, PROCESS, stop));
    assert_eq!(attend(&header, &control).iter().map(|(stamp, _)| *stamp).collect::<Vec<_>>(), [10, 20, 30]);
    assert!(!is_waiting(&header, PROCESS, stop));
    // This process has not done it, but it has the bit.
    assert_eq!(state(), State::Idle);
    // Somebody else's is in its place.
    post(ProcessIndex(4), CommandKind::Stop, 10);
    assert!(!is_waiting(&header, PROCESS, stop));
}

#[test]
fn longer_names_and_more_requests_than_there_is_room_for_are_refused() {
    let (header, control) = shared();
    let name = "x".repeat(NAME_BYTES_MAX + 1);
    let too_long = Order { name: &name, ..order(CommandKind::Mark) };
    let error = too_long.check().unwrap_err();
    assert!(matches!(error, Error::Usage(_)) && error.to_string().contains("104 bytes"), "{error}");
    let longest = Order { name: &name[1..], ..too_long };
    longest.check().unwrap();
    let post = |stamp| post(&header, &control, to(PROCESS), longest, || Stamp(stamp));
    for stamp in 0..REQUESTS_MAX as u64 {
        post(stamp).expect("there is room");
    }
    assert_eq!(post(99), None);
    let taken = attend(&header, &control);
    assert!(taken.len() == REQUESTS_MAX && taken.iter().all(|(_, name)| name.len() == NAME_BYTES_MAX));
    assert!(post(100).is_some());
}

#[test]
fn places_of_processes_that_have_ended_are_taken_the_oldest_first() {
    let (header, control) = shared();
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("it is everywhere");
    let (killed, living) = (Addressee::new(ProcessIndex(4), child.id()), to(PROCESS));
    let post =
        |addressee, stamp| post(&header, &control, addressee, order(CommandKind::Mark), || Stamp(stamp));
    // Stamps in no order of the places; every third is the child's.
    let stamps = (0..REQUESTS_MAX as u64).map(|place| (place * 7 + 3) % REQUESTS_MAX as u64);
    let mut of_killed: Vec<(u64, usize)> = Vec::new();
    for (place, stamp) in stamps.enumerate() {
        let addressee = if place % 3 == 0 { killed } else { living };
        assert_eq!(post(addressee, stamp), Some(Posted { place, stamp: Stamp(stamp) }));
        of_killed.extend((place % 3 == 0).then_some((stamp, place)));
    }
    assert_eq!(post(living, 100), None, "all of them may be obeyed yet");
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    of_killed.sort_unstable();
    for (stamp, place) in of_killed {
        assert_eq!(header.requests[place].stamp.load(Ordering::Relaxed), stamp);
        assert_eq!(post(living, 100 + stamp), Some(Posted { place, stamp: Stamp(100 + stamp) }));
    }
    assert_eq!(post(living, 200), None);
    assert_eq!(attend(&header, &control).len(), REQUESTS_MAX);
}
