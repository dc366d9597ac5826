//! A traceback as text: tracemalloc's `Traceback.format`.

use std::ffi::{CStr, c_char, c_int};
use std::slice;
use std::sync::Arc;

use tm_analyzer::model::{Frame, Traceback};
use tm_analyzer::symbolize::SourceFiles;
use tm_analyzer::text::LineSource;
use tm_common::api;

/// Returns the lines of `traceback`, each with its end.
///
/// # Safety
/// `traceback` and what it points to are as C sees them.
pub unsafe fn text(traceback: &api::Traceback, limit: c_int, most_recent_first: bool) -> String {
    let frames = match traceback.frames.is_null() {
        true => &[],
        // SAFETY: the caller's.
        false => unsafe { slice::from_raw_parts(traceback.frames, traceback.n_frames) },
    };
    let frame = |frame: &api::Frame| {
        // SAFETY: the caller's.
        let filename = (!frame.filename.is_null()).then(|| unsafe { CStr::from_ptr(frame.filename) });
        Frame::new(&*filename.unwrap_or_default().to_string_lossy(), frame.lineno)
    };
    let frames: Vec<Frame> = frames.iter().map(frame).collect();
    lines(frames, limit, most_recent_first, &mut SourceFiles::default())
}

fn lines(frames: Vec<Frame>, limit: c_int, most_recent_first: bool, source: &mut dyn LineSource) -> String {
    let frames: Vec<Arc<Frame>> = frames.into_iter().map(Arc::new).collect();
    let traceback = Traceback::from_oldest_first(frames, None);
    let lines = traceback.format(Some(limit as isize), most_recent_first, source);
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// Writes `text` as `snprintf` does: cut to the buffer, and ended by a NUL. Returns the bytes of the whole.
///
/// # Safety
/// `buffer` has room for `size` bytes, or `size` is 0.
pub unsafe fn put(text: &str, buffer: *mut c_char, size: usize) -> c_int {
    if let Some(room) = size.checked_sub(1) {
        let n_bytes = text.len().min(room);
        // SAFETY: the caller's; the NUL is in the room too.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr().cast(), n_bytes);
            buffer.add(n_bytes).write(0);
        }
    }
    c_int::try_from(text.len()).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_tracemalloc_s() {
        let frames = || vec![Frame::new("main.c", 9), Frame::new("a.c", 2)];
        let mut source = |name: &str, line: u32| (line == 2).then(|| format!("\t{name}();"));
        let text = lines(frames(), c_int::MAX, false, &mut source);
        assert_eq!(text, "  File \"main.c\", line 9\n  File \"a.c\", line 2\n    a.c();\n");
        assert_eq!(lines(frames(), 1, true, &mut source), "  File \"a.c\", line 2\n    a.c();\n");
        assert_eq!(lines(frames(), -1, true, &mut source), "  File \"main.c\", line 9\n");
        assert_eq!(lines(frames(), 0, true, &mut source), "");
    }

    #[test]
    fn a_buffer_is_never_overrun_and_always_ended() {
        for size in 0..10 {
            let mut buffer = [1 as c_char; 10];
            // SAFETY: the buffer is larger.
            let len = unsafe { put("abcdef", buffer.as_mut_ptr(), size) };
            assert_eq!(len, 6);
            let bytes = buffer.map(|byte| byte as u8);
            let n_bytes = 6.min(size.saturating_sub(1));
            assert_eq!(bytes[..n_bytes], b"abcdef"[..n_bytes]);
            assert!(size == 0 || bytes[n_bytes] == 0);
            assert!(bytes[size.min(7)..].iter().all(|&byte| byte == 1));
        }
    }
}
