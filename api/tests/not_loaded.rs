//! Without libtm.so every call does nothing and says so.

use tm::Error;

#[test]
fn every_call_says_that_tm_is_not_loaded() {
    assert!(!tm::is_loaded());
    assert_eq!(tm::start(25), Err(Error::NotLoaded));
    assert_eq!(tm::stop(), Err(Error::NotLoaded));
    assert_eq!(tm::clear_traces(), Err(Error::NotLoaded));
    assert!(!tm::is_tracing());
    assert_eq!((tm::traceback_limit(), tm::tracemalloc_memory()), (0, 0));
    assert_eq!(tm::traced_memory(), Err(Error::NotLoaded));
    assert_eq!(tm::domain_memory(tm::Domain::MMAP), Err(Error::NotLoaded));
    assert_eq!(tm::reset_peak(), Err(Error::NotLoaded));
    assert_eq!(tm::take_snapshot("mark"), Err(Error::NotLoaded));
    assert_eq!(tm::dump_snapshot("/tmp/tm.snap"), Err(Error::NotLoaded));
    assert_eq!(tm::track(tm::Domain(7), 8, 100), Err(Error::NotLoaded));
    assert_eq!(tm::untrack(tm::Domain(7), 8), Err(Error::NotLoaded));
    assert_eq!(tm::name_domain(tm::Domain(7), "pool"), Err(Error::NotLoaded));
    let block = Box::new(0_u8);
    assert_eq!(tm::object_traceback(&raw const *block).err(), Some(Error::NotLoaded));
    let mut handler = |_: &tm::Block<'_>, _: &tm::Walk<'_>| tm::Follow::All;
    let options = tm::Options::new().depth_max(3).handler(&mut handler).verbose();
    assert_eq!(tm::total_size(&raw const *block, options).err(), Some(Error::NotLoaded));
    drop(tm::tag("request"));
}
