//! Claims on requests: none is lost or taken twice, with a thread in the place of the process.

use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;

const PROCESS: ProcessIndex = ProcessIndex(3);

/// The header and the control word of a process that nobody has asked for anything.
fn shared() -> (Box<MappedHeader>, AtomicU32) {
    // SAFETY: a header of zeros is one: it consists of numbers.
    (Box::new(unsafe { std::mem::zeroed() }), AtomicU32::new(0))
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
        .filter(|it| is_ready(it, PROCESS))
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
    let (clock, done) = (AtomicU64::new(1), AtomicBool::new(false));
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
                let (header, control, clock) = (&header, &control, &clock);
                scope.spawn(move || {
                    for number in 0..N_EACH {
                        let name = format!("{sender}-{number}-{}", "x".repeat((number % 90) as usize));
                        let order = Order { kind: CommandKind::Mark, argument: 0, name: &name };
                        let now = || Some(Stamp(clock.fetch_add(1, Ordering::Relaxed)));
                        // All places may be taken for a moment.
                        while post(header, control, PROCESS, order, now).is_err() {
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
    for sender in 0..N_THREADS {
        let own = taken.iter().filter(|(_, name)| name.starts_with(&format!("{sender}-")));
        let numbers: Vec<u64> = own
            .map(|(_, name)| name.split('-').nth(1).expect("it is whole").parse().expect("it is"))
            .collect();
        assert_eq!(numbers, (0..N_EACH).collect::<Vec<_>>());
    }
    taken.sort();
    taken.dedup_by_key(|(stamp, _)| *stamp);
    assert_eq!(taken.len() as u64, N_THREADS * N_EACH, "no stamp is there twice");
}

#[test]
fn what_was_asked_last_counts_before_the_process_has_seen_it() {
    let (header, control) = shared();
    let state = || state(&header, &control, PROCESS);
    let post = |process, kind, stamp| {
        post(&header, &control, process, order(kind), || Some(Stamp(stamp))).expect("there is room")
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
fn what_cannot_be_asked_changes_nothing() {
    let (header, control) = shared();
    let name = "x".repeat(NAME_BYTES_MAX + 1);
    let too_long = Order { name: &name, ..order(CommandKind::Mark) };
    let error = post(&header, &control, PROCESS, too_long, || Some(Stamp(1))).unwrap_err();
    assert!(matches!(error, Error::Usage(_)) && error.to_string().contains("104 bytes"), "{error}");
    assert!(post(&header, &control, PROCESS, order(CommandKind::Clear), || None).is_err());
    assert_eq!(control.load(Ordering::Relaxed), 0);
    let longest = Order { name: &name[1..], ..too_long };
    for stamp in 0..REQUESTS_MAX as u64 {
        post(&header, &control, PROCESS, longest, || Some(Stamp(stamp))).expect("there is room");
    }
    let error = post(&header, &control, PROCESS, longest, || Some(Stamp(99))).unwrap_err().to_string();
    assert!(error.starts_with("24 requests wait already"), "{error}");
    let taken = attend(&header, &control);
    assert!(taken.len() == REQUESTS_MAX && taken.iter().all(|(_, name)| name.len() == NAME_BYTES_MAX));
}
