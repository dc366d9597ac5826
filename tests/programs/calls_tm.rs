//! Every call of the crate `tm` under libtm.so, with closures as handlers and visitors. Without it, all say so.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tm::{Domain, Error, Follow, Options};

const POOL: Domain = Domain(7);

struct Node {
    next: Option<Box<Node>>,
    number: u64,
}

fn list(length: u64) -> Option<Box<Node>> {
    (0..length).fold(None, |next, number| Some(Box::new(Node { next, number })))
}

/// The line that this is called from.
#[track_caller]
fn line() -> u32 {
    std::panic::Location::caller().line()
}

fn commands() -> tm::Result<()> {
    tm::start(5)?;
    assert!(tm::is_tracing() && tm::traceback_limit() > 0 && tm::tracemalloc_memory() > 0);
    assert_eq!(tm::start(0), Err(Error::Invalid));
    tm::take_snapshot("mark")?;
    assert_eq!(tm::take_snapshot(""), Err(Error::Invalid));
    tm::name_domain(POOL, "pool")?;
    tm::track(POOL, 16, 100)?;
    assert_eq!(tm::track(Domain::MMAP, 16, 100), Err(Error::Invalid));
    assert_eq!(tm::domain_memory(POOL)?.0, 100);
    tm::untrack(POOL, 16)?;
    let outer = tm::tag("outer");
    drop(tm::tag("inner"));
    drop(outer);
    Ok(())
}

fn memory() -> tm::Result<()> {
    tm::clear_traces()?;
    assert_eq!(tm::traced_memory()?, (0, 0));
    // Not to be optimized away.
    let block = black_box(vec![1_u8; 1000]);
    assert_eq!(tm::traced_memory()?, (1000, 1000));
    drop(block);
    assert_eq!(tm::traced_memory()?, (0, 1000));
    tm::reset_peak()?;
    assert_eq!(tm::traced_memory()?, (0, 0));
    Ok(())
}

fn tracebacks() -> tm::Result<()> {
    let (block, allocated_at) = (black_box(Box::new([0_u8; 300])), line());
    let traceback = tm::object_traceback(&raw const block[100])?;
    assert_eq!((traceback.size(), traceback.domain()), (300, Domain::HEAP));
    assert_eq!(traceback.address(), (&raw const *block).addr());
    assert!(traceback.total_nframe().is_some_and(|number| number <= traceback.frames().len()));
    let own = traceback.frames().rfind(|frame| frame.filename().ends_with("calls_tm.rs")).expect("it is ours");
    assert_eq!(own.lineno(), Some(allocated_at));
    assert!(own.function().is_some_and(|name| name.contains("tracebacks")), "{own:?}");
    let text = traceback.format(None, false)?;
    assert_eq!(text, traceback.to_string());
    assert!(text.contains("let (block, allocated_at)"), "{text}");
    assert_eq!(traceback.format(Some(0), true)?, "");
    assert_eq!(tm::object_traceback(&raw const allocated_at).err(), Some(Error::NotFound));
    // What a traceback points to is its own, on whichever thread it ends.
    std::thread::spawn(move || assert!(traceback.frames().len() > 0)).join().expect("it is well");
    Ok(())
}

fn sizes() -> tm::Result<()> {
    let list = list(20).expect("it has nodes");
    assert_eq!(list.number, 19);
    let all = tm::total_size(&raw const *list, Options::new())?;
    assert_eq!((all.size(), all.count(), all.is_cut()), (20 * size_of::<Node>(), 20, false));
    assert_eq!((all.by_depth().len(), all.by_line().len()), (20, 1));
    assert!(all.by_line().all(|line| line.location.contains("calls_tm.rs") && line.count == 20));
    let cut = tm::total_size(&raw const *list, Options::new().depth_max(4))?;
    assert_eq!((cut.count(), cut.is_cut()), (5, true));
    // A handler that reads the nodes itself, and leaves one out.
    let (mut n_visited, mut busy) = (0, None);
    let mut visit = |_: &tm::Block<'_>| n_visited += 1;
    let mut handler = |block: &tm::Block<'_>, walk: &tm::Walk<'_>| {
        busy = Some(tm::traced_memory());
        // SAFETY: all blocks of the list are nodes, and they live.
        let node = unsafe { &*(block.address() as *const Node) };
        let Some(next) = node.next.as_deref() else { return Follow::Skip };
        walk.follow(next).expect("it is in the list");
        Follow::Named
    };
    let options = Options::new().handler(&mut handler).visit(&mut visit);
    let without_last = tm::total_size(&raw const *list, options)?;
    assert_eq!((without_last.count(), n_visited), (19, 19));
    assert_eq!(busy, Some(Err(Error::Busy)));
    Ok(())
}

/// A panic in a handler comes out of the call.
fn panics() -> tm::Result<()> {
    std::panic::set_hook(Box::new(|_| {}));
    let list = list(20).expect("it has nodes");
    let mut n_calls = 0;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut handler = |_: &tm::Block<'_>, _: &tm::Walk<'_>| {
            n_calls += 1;
            if n_calls == 3 { panic!("the third") } else { Follow::All }
        };
        tm::total_size(&raw const *list, Options::new().handler(&mut handler)).map(|_| ())
    }));
    assert_eq!(panicked.err().and_then(|panic| panic.downcast_ref::<&str>().copied()), Some("the third"));
    assert_eq!(n_calls, 3);
    // The next one is not busy.
    assert_eq!(tm::total_size(&raw const *list, Options::new())?.count(), 20);
    Ok(())
}

fn all() -> tm::Result<()> {
    commands()?;
    memory()?;
    tracebacks()?;
    sizes()?;
    // A program that aborts has no use for it.
    if cfg!(panic = "unwind") {
        panics()?;
    }
    tm::dump_snapshot("calls.snap")?;
    assert_eq!(tm::dump_snapshot("a\0b"), Err(Error::Invalid));
    tm::stop()?;
    assert_eq!(tm::take_snapshot("mark"), Err(Error::NotTracing));
    Ok(())
}

fn main() {
    match all() {
        Ok(()) => println!("tm is loaded"),
        Err(Error::NotLoaded) if !tm::is_loaded() => println!("tm is not loaded"),
        Err(error) => panic!("{error}"),
    }
}
