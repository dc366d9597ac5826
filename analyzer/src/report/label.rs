//! The name of a place in the program, in the room that there is.

use super::human::{keep_end, keep_start, printable};
use crate::model::{Frame, Traceback};

/// Below this many characters a function's name says nothing.
const FUNCTION_WIDTH_MIN: usize = 12;

/// `file:line`, or the file alone where there is no line.
pub fn location(frame: &Frame) -> String {
    let filename = printable(&frame.filename);
    if frame.lineno == 0 { filename } else { format!("{filename}:{}", frame.lineno) }
}

/// What a group is called: its innermost frame, and that frame's function if `width` (`None`: no limit) has room.
pub fn group(traceback: &Traceback, width: Option<usize>) -> String {
    let unknown = Frame::unknown();
    let frame = traceback.most_recent().unwrap_or(&unknown);
    let mut text = location(frame);
    let room = width.map(|width| width.saturating_sub(text.chars().count()));
    match (&frame.function, room) {
        (Some(function), None) => text += &format!("  {}", printable(function)),
        (Some(function), Some(room)) if room >= FUNCTION_WIDTH_MIN + 2 => {
            text += &format!("  {}", keep_start(&printable(function), room - 2));
        }
        _ => {}
    }
    width.map_or(text.clone(), |width| keep_end(&text, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traceback() -> Traceback {
        let mut frame = Frame::new("/usr/src/app/alloc.c", 12);
        frame.function = Some("app_allocate_node(Node*)".into());
        Traceback::new(vec![frame, Frame::new("main.c", 1)], None)
    }

    #[test]
    fn the_function_stands_where_there_is_room() {
        assert_eq!(group(&traceback(), None), "/usr/src/app/alloc.c:12  app_allocate_node(Node*)");
        assert_eq!(group(&traceback(), Some(40)), "/usr/src/app/alloc.c:12  app_allocate...");
        assert_eq!(group(&traceback(), Some(30)), "/usr/src/app/alloc.c:12");
        assert_eq!(group(&traceback(), Some(14)), ".../alloc.c:12");
    }

    #[test]
    fn a_frame_without_a_line_is_its_name() {
        assert_eq!(location(&Frame::new("libc.so.6+0x1234", 0)), "libc.so.6+0x1234");
        assert_eq!(group(&Traceback::new(vec![], None), None), "<unknown>");
    }
}
