//! A server that finds its own leak, in Rust: every tenth session is kept in the list of open ones.
//!
//! Without libtm.so it does the same work, and says that it cannot know. With an argument it dumps a snapshot there.

#![allow(clippy::vec_box, reason = "a session is a block of its own, so that its owner can be asked for")]

struct Session {
    round: u32,
    user: String,
    buffer: Vec<u8>,
}

fn new_buffer(request: u32) -> Vec<u8> {
    vec![request as u8 | 1; 4000] // LEAK
}

fn open_session(round: u32, request: u32) -> Box<Session> {
    let user = format!("user {request}");
    Box::new(Session { round, user, buffer: new_buffer(request) })
}

fn serve(open: &mut Vec<Box<Session>>, round: u32) {
    let _tag = tm::tag("request");
    for request in 1..=1000 {
        let session = open_session(round, request);
        if request % 10 == 0 {
            open.push(session);
        }
    }
}

/// Says who allocated what a session of an earlier round holds.
fn explain(session: &Session) -> tm::Result<()> {
    let traceback = tm::object_traceback(session.buffer.as_ptr())?;
    println!(
        "{} of round {} still has {} bytes, allocated here:",
        session.user,
        session.round,
        traceback.size()
    );
    print!("{}", traceback.format(Some(12), true)?);
    // Above the program's own are frames of Rust's library.
    let own = traceback.frames().rfind(|frame| frame.filename().ends_with("finds_leak.rs"));
    if let Some(own) = own {
        println!("leak: {own}");
    }
    Ok(())
}

fn look_for_leaks(open: &[Box<Session>], snapshot: Option<String>) -> tm::Result<()> {
    if let Some(path) = snapshot {
        tm::dump_snapshot(path)?;
        println!("dumped a snapshot");
    }
    if let Some(session) = open.iter().find(|session| session.round < 3) {
        explain(session)?;
    }
    let mut largest = 0;
    let mut visit = |block: &tm::Block<'_>| largest = largest.max(block.size());
    let all = tm::total_size(open.as_ptr(), tm::Options::new().visit(&mut visit))?;
    println!("all open sessions: {} bytes in {} blocks, the largest of {largest}", all.size(), all.count());
    for line in all.by_line() {
        println!("  {} bytes: {}", line.size, line.location);
    }
    Ok(())
}

fn main() {
    println!("serving");
    let mut open = Vec::with_capacity(1000);
    let mut before = tm::traced_memory();
    for round in 1..=3 {
        let _ = tm::take_snapshot(&format!("round {round}"));
        serve(&mut open, round);
        let now = tm::traced_memory();
        if let (Ok((before, _)), Ok((now, _))) = (before, now) {
            println!("round {round}: {:+} bytes", now as i64 - before as i64);
        }
        before = now;
    }
    let _ = tm::take_snapshot("end");
    if before.is_err() {
        println!("tm is not loaded: run me with LD_PRELOAD=libtm.so to know where my memory goes");
        return;
    }
    if let Err(error) = look_for_leaks(&open, std::env::args().nth(1)) {
        println!("{error}");
    }
}
