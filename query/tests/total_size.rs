//! `tm_total_size` through the C functions.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use tm_common::api::{self, TotalSizeOptions, TotalSizeResult, Walk, result};
use tm_common::query::QueryHost;
use tm_query::tm_query_api;

#[allow(dead_code)]
mod program;

use program::{MUTED, NO_OPTIONS, POOL, Program};

/// root -> (list of 3, large); the list's last -> root; the pool's block inside of the large one -> unreached.
fn structure(program: &mut Program) {
    program.malloc(0, 24, 0);
    for node in [100, 104, 108] {
        program.malloc(node, 16, 1);
    }
    program.malloc(1000, 80_000, 1);
    program.track(POOL, 2000, 8);
    program.malloc(20_000, 8, 0);
    program.malloc(20_002, 8, 0);
    for (from, to) in [(0, 100), (1, 1500), (100, 104), (105, 108), (108, 0), (10_999, 20_000)] {
        program.point(from, to);
    }
}

#[test]
fn total_size_is_what_can_be_reached() {
    let mut program = Program::new();
    structure(&mut program);
    let sums = |found: &TotalSizeResult| {
        // SAFETY: as many as it says.
        let by_depth = unsafe { std::slice::from_raw_parts(found.by_depth, found.n_depths) };
        // SAFETY: as above.
        let by_line = unsafe { std::slice::from_raw_parts(found.by_line, found.n_lines) };
        let line = |group: &api::SizeGroup| {
            // SAFETY: it is a text.
            let location = unsafe { CStr::from_ptr(group.location) };
            (location.to_str().unwrap().to_owned(), group.size, group.count)
        };
        let by_line: Vec<_> = by_line.iter().map(line).collect();
        let by_depth: Vec<_> = by_depth.iter().map(|group| (group.depth, group.size, group.count)).collect();
        ((found.size, found.count, found.is_cut), by_depth, by_line)
    };
    let (all, by_depth, by_line) = program.total_size(0, None, sums).unwrap();
    assert_eq!(all, (24 + 3 * 16 + 80_000 + 8, 6, 0));
    assert_eq!(by_depth, [(0, 24, 1), (1, 80_016, 2), (2, 24, 2), (3, 16, 1)]);
    let expected = [("program+0x2000", 80_048, 4), ("program+0x1000", 32, 2)];
    assert_eq!(by_line, expected.map(|(location, size, count)| (location.to_owned(), size, count)));
    let limited = TotalSizeOptions { depth_max: 1, ..NO_OPTIONS };
    assert_eq!(program.total_size(0, Some(&limited), |found| (found.count, found.is_cut)), Ok((3, 1)));
    let limited = TotalSizeOptions { depth_max: 3, blocks_max: 6, ..NO_OPTIONS };
    assert_eq!(program.total_size(0, Some(&limited), |found| (found.count, found.is_cut)), Ok((6, 0)));
    // The pool's part of the large block, and nothing.
    assert_eq!(program.total_size(2000, None, |found| found.size), Ok(8));
    assert_eq!(program.total_size(30_000, None, |found| found.size), Err(result::NOT_FOUND));
    assert!((tm_query_api.memory_bytes)() > 0);
}

/// What the handler below has seen.
#[derive(Default)]
struct Seen {
    asked: Vec<(usize, u32)>,
    visited: Vec<(usize, u32)>,
    pool: usize,
}

unsafe extern "C" fn handler(context: *mut c_void, block: *const api::Block, walk: *mut Walk) -> c_int {
    // SAFETY: the test's own, and what the library promises.
    let (seen, block) = unsafe { (&mut *context.cast::<Seen>(), &*block) };
    assert!(MUTED.get() < 0);
    seen.asked.push((block.size, block.depth));
    // SAFETY: it is a text.
    assert!(unsafe { CStr::from_ptr(block.location) }.to_str().unwrap().starts_with("program+0x"));
    if block.size != 80_000 {
        return if block.depth == 2 { api::follow::SKIP } else { api::follow::FOLLOW };
    }
    // SAFETY: the walk is the handler's.
    unsafe {
        assert_eq!((tm_query_api.follow)(walk, ptr::without_provenance(seen.pool)), result::OK);
        assert_eq!((tm_query_api.follow)(walk, ptr::without_provenance(1)), result::NOT_FOUND);
    }
    api::follow::STOP
}

unsafe extern "C" fn visit(context: *mut c_void, block: *const api::Block) {
    // SAFETY: the test's own, and what the library promises.
    let (seen, block) = unsafe { (&mut *context.cast::<Seen>(), &*block) };
    seen.visited.push((block.size, block.depth));
}

#[test]
fn handlers_decide_and_are_unmuted_meanwhile() {
    let mut program = Program::new();
    structure(&mut program);
    let mut seen = Seen { pool: program.address(2000) as usize, ..Seen::default() };
    let options = TotalSizeOptions {
        handler: Some(handler),
        visit: Some(visit),
        context: ptr::from_mut(&mut seen).cast(),
        ..NO_OPTIONS
    };
    let size = program.total_size(0, Some(&options), |found| found.size);
    // The pool's block is named, and skipped as all of depth 2.
    assert_eq!(size, Ok(24 + 16 + 80_000));
    assert_eq!(seen.asked, [(24, 0), (16, 1), (80_000, 1), (8, 2), (16, 2)]);
    assert_eq!(seen.visited, [(24, 0), (16, 1), (80_000, 1)]);
    assert_eq!(MUTED.get(), 0);
}

/// Forks in the middle of a question; the child, whose parent's lock nobody will release, asks one of its own. Returns to the
/// parent alone.
unsafe extern "C" fn fork(context: *mut c_void, _: *const api::Block, _: *mut Walk) -> c_int {
    // SAFETY: the test's own.
    let (host, exit_code) = unsafe { &mut *context.cast::<(QueryHost, c_int)>() };
    // SAFETY: the child only asks, and ends.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let (mut current, mut peak) = (0, 0);
            // It would wait for ever.
            libc::alarm(600);
            let code = (tm_query_api.get_traced_memory)(host, &mut current, &mut peak);
            libc::_exit(if (code, current, peak) == (result::OK, 130, 130) { 7 } else { 8 });
        }
        assert_eq!(libc::waitpid(child, exit_code, 0), child);
    }
    api::follow::FOLLOW
}

#[test]
fn a_forked_child_waits_for_nobody_of_its_parent() {
    let mut program = Program::new();
    program.malloc(0, 100, 0);
    program.malloc(100, 30, 0);
    program.builder.process(Some(0), program.stamp, None);
    let host = program.ask(|host| {
        // SAFETY: it is the test's; what it points to lives as long as the program.
        let host = unsafe { ptr::read(host) };
        QueryHost { process: 1, ..host }
    });
    let mut context = (host, 0);
    let options =
        TotalSizeOptions { handler: Some(fork), context: ptr::from_mut(&mut context).cast(), ..NO_OPTIONS };
    assert_eq!(program.total_size(0, Some(&options), |found| found.size), Ok(100));
    assert_eq!(context.1, 7 << 8);
}
