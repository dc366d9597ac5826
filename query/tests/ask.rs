//! Questions through the C functions, as `libtm.so` asks them.

use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use tm_analyzer::model::{Cumulative, KeyType, Snapshot};
use tm_common::api::{Traceback, result};
use tm_common::event::Event;
use tm_common::ids::Space;
use tm_common::metadata::CommandKind;
use tm_common::query::QueryHost;
use tm_common::sampling::{SampleRate, Totals};
use tm_query::tm_query_api;

#[allow(dead_code)]
mod program;

use program::{POOL, POOL_DOMAIN, Program};

#[test]
fn memory_is_what_lives_now_and_at_most() {
    let mut program = Program::new();
    assert_eq!(program.traced(), (0, 0));
    program.malloc(0, 100, 0);
    program.malloc(100, 50, 0);
    program.free(0);
    assert_eq!(program.traced(), (50, 150));
    program.track(POOL, 4000, 1000);
    program.track(Space::MAPPINGS, 0, 4096);
    assert_eq!(program.traced(), (1050, 1050));
    assert_eq!(program.of_domain(0), (50, 50));
    assert_eq!(program.of_domain(POOL_DOMAIN), (1000, 1000));
    assert_eq!(program.of_domain(tm_common::ids::Domain::MAPPINGS.0), (4096, 4096));
    assert_eq!(program.of_domain(12345), (0, 0));
    program.free(100);
    assert_eq!(program.of_domain(0), (0, 50));
    // SAFETY: the host lives through the call.
    assert_eq!(program.ask(|host| unsafe { (tm_query_api.reset_peak)(host) }), result::OK);
    assert_eq!((program.traced(), program.of_domain(0)), ((1000, 1000), (0, 0)));
    program.command(CommandKind::Clear, 0);
    assert_eq!((program.traced(), program.of_domain(POOL_DOMAIN)), ((0, 0), (0, 0)));
    program.malloc(200, 10, 0);
    assert_eq!((program.traced(), program.of_domain(0)), ((10, 10), (10, 10)));
    program.command(CommandKind::Stop, 0);
    assert_eq!((program.traced(), program.of_domain(0)), ((0, 0), (0, 0)));
}

/// A sample stands for more than itself, in each answer alike; the peak is that of what threads tell.
#[test]
fn samples_count_as_what_they_stand_for() {
    let mut program = Program::new();
    program.builder.sample_rate = SampleRate::of_bytes(1 << 20).unwrap();
    let held = |held_bytes, held_high| Totals { n_allocated: 2, held_bytes, held_high, ..Totals::default() };
    let tell = |program: &mut Program, totals| {
        program.event(|stamp| Event::Totals { space: Space::HEAP, totals, stamp });
    };
    program.malloc(0, 100, 0);
    tell(&mut program, held(1_000, 5_000));
    let (live, peak) = program.traced();
    assert!(live > 1 << 19 && live == peak, "one sample is a MiB: {live}");
    assert_eq!(program.of_domain(0), (live, live));
    // More samples, and less than ever is held.
    program.malloc(100, 100, 0);
    tell(&mut program, held(400, 1_000));
    let (now, peak) = program.traced();
    assert!(now > live && peak == live, "{now} {peak} {live}");
    assert_eq!(program.of_domain(0), (now, peak));
    program.free(0);
    program.free(100);
    assert_eq!(program.of_domain(0), (0, peak));
}

#[test]
fn a_traceback_is_that_of_the_block_that_holds_the_pointer() {
    let mut program = Program::new();
    program.malloc(0, 100, 0);
    program.malloc(1000, 8000, 1);
    let (small, large) = (program.address(0), program.address(1000));
    let of_small = Ok((small, 100, 0, vec![0x1001, 0x2001]));
    let of_large = Ok((large, 8000, 0, vec![0x1001, 0x3001]));
    for (address, expected) in [
        (small, &of_small),
        (small + 99, &of_small),
        (small + 100, &Err(result::NOT_FOUND)),
        (small - 1, &Err(result::NOT_FOUND)),
        (large, &of_large),
        (large + 7999, &of_large),
        (large + 8000, &Err(result::NOT_FOUND)),
        (0, &Err(result::NOT_FOUND)),
        (u64::MAX, &Err(result::NOT_FOUND)),
    ] {
        assert_eq!(&program.traceback(address), expected, "{address:#x}");
    }
    // The index goes on to be right.
    program.free(0);
    program.malloc(50, 20, 0);
    program.track(POOL, 1000, 10);
    program.track(POOL, 9000, 5);
    program.track(Space::MAPPINGS, 0, 1 << 19);
    let pool = program.address(9000);
    let mapping = (small, 1 << 19, tm_common::ids::Domain::MAPPINGS.0, vec![0x1001, 0x3001]);
    assert_eq!(program.traceback(small + 50), Ok(mapping));
    assert_eq!(program.traceback(program.address(52)).map(|found| found.1), Ok(20));
    assert_eq!(program.traceback(large + 5), of_large);
    assert_eq!(program.traceback(pool + 4), Ok((pool, 5, POOL_DOMAIN, vec![0x1001, 0x3001])));
    program.command(CommandKind::Stop, 0);
    assert_eq!(program.traceback(pool), Err(result::NOT_TRACING));
}

#[test]
fn a_traceback_is_formatted_as_tracemalloc_does() {
    let mut program = Program::new();
    program.malloc(0, 100, 0);
    let mut traceback: *mut Traceback = ptr::null_mut();
    let pointer = ptr::without_provenance::<c_void>(program.address(0) as usize);
    let mut buffer = [0; 200];
    // SAFETY: the host and the places live through the calls.
    let text = program.ask(|host| unsafe {
        assert_eq!((tm_query_api.get_object_traceback)(host, pointer, &mut traceback), result::OK);
        let (start, len) = (buffer.as_mut_ptr(), buffer.len());
        let n_bytes = (tm_query_api.traceback_format)(traceback, c_int::MAX, 1, start, len);
        (tm_query_api.traceback_free)(traceback);
        let text = CStr::from_ptr(start).to_str().unwrap().to_owned();
        assert_eq!(n_bytes as usize, text.len());
        text
    });
    // The instruction before the return address is looked up.
    assert_eq!(text, "  File \"program+0x1000\", line 0\n  File \"program+0x0\", line 0\n");
}

#[test]
fn a_dump_is_a_snapshot_of_now() {
    let mut program = Program::new();
    program.malloc(0, 24, 0);
    program.malloc(100, 16, 0);
    program.malloc(1000, 80_000, 1);
    program.track(POOL, 2000, 8);
    program.free(100);
    let folder = tempfile::tempdir().unwrap();
    let (path, missing) = (folder.path().join("now.snap"), folder.path().join("no/such.snap"));
    let recording = program.path().to_owned();
    for (path, expected) in
        [(&path, result::OK), (&path, result::OK), (&missing, result::FAILED), (&recording, result::FAILED)]
    {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the host and the path live through the call.
        let code = program.ask(|host| unsafe { (tm_query_api.dump_snapshot)(host, path.as_ptr()) });
        assert_eq!(code, expected);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let snapshot = Snapshot::load(&path).unwrap();
    let traced = program.traced().0;
    assert_eq!((snapshot.total_size(), snapshot.traces.len()), (traced, 3));
    assert_eq!(snapshot.traces.iter().filter(|trace| trace.domain == POOL_DOMAIN).count(), 1);
    let origin = snapshot.origin.as_ref().unwrap();
    assert_eq!((origin.live_bytes, origin.live_blocks, origin.moment_ns), (traced, 3, program.stamp + 1));
    let lines = snapshot.profile().statistics(KeyType::Lineno, Cumulative::Off).unwrap();
    assert_eq!(lines[0].traceback.to_string(), "program+0x2000:0");
}

#[test]
fn what_is_not_this_process_s_recording_is_refused() {
    let mut program = Program::new();
    program.malloc(0, 1, 0);
    let wrong = |change: fn(&mut QueryHost)| {
        move |host: *const QueryHost| {
            // SAFETY: it is the test's.
            let mut host = unsafe { ptr::read(host) };
            change(&mut host);
            let (mut current, mut peak) = (0, 0);
            // SAFETY: the host and the places live through the call.
            unsafe { (tm_query_api.get_traced_memory)(&host, &mut current, &mut peak) }
        }
    };
    assert_eq!(program.ask(wrong(|host| host.inode += 1)), result::FAILED);
    assert_eq!(program.ask(wrong(|host| host.process = 9)), result::FAILED);
    assert_eq!(program.ask(wrong(|host| host.size -= 8)), result::FAILED);
    assert_eq!(program.ask(wrong(|_| ())), result::OK);
}
