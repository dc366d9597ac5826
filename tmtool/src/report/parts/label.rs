//! The name of a place in the program, in the room that there is.
//!
//! ```text
//! /home/user/project/src/node.cpp:12  std::vector<Node>::resize(unsigned long)      room for all
//! .../src/node.cpp:12  std::vector<Node>::resize(..)                                the parameters go first
//! .../node.cpp:12  std::vector<Node>::res...                                        half for each
//! ```

use super::human::{self, keep_end, keep_start, printable};
use tm_analyzer::model::{Frame, KeyType, Traceback};
use tm_analyzer::request::NO_TAG;
use tm_analyzer::text::function_name::{short, without_parameters};

/// Below this many columns a function's name says nothing.
const FUNCTION_WIDTH_MIN: usize = 12;
const GAP: &str = "  ";
/// The function of a frame as it is shown, if known: shortened unless `is_full`.
pub fn function(frame: &Frame, is_full: bool) -> Option<String> {
    let name = printable(frame.function.as_deref()?);
    Some(if is_full || frame.is_python() { name } else { short(&name) })
}

/// What a group is called: its innermost frame's place and function, in at most `width` columns (`None`: no limit).
/// In groups of functions the function comes first; groups by label are called by it. `is_full` shows all, whatever the
/// width.
pub fn group(
    traceback: &Traceback,
    tag: Option<&str>,
    key_type: KeyType,
    width: Option<usize>,
    is_full: bool,
) -> String {
    if key_type == KeyType::Tag {
        let tag = printable(tag.unwrap_or(NO_TAG));
        return width.filter(|_| !is_full).map_or(tag.clone(), |width| keep_start(&tag, width));
    }
    let unknown = Frame::unknown();
    let frame = traceback.most_recent().unwrap_or(&unknown);
    let location = frame.location();
    let Some(function) = function(frame, is_full) else {
        return width.filter(|_| !is_full).map_or(location.clone(), |width| keep_path_end(&location, width));
    };
    let (location, function) = match width.filter(|_| !is_full) {
        None => (location, function),
        Some(width) => fitted(&location, &function, key_type, width),
    };
    match (key_type, function.is_empty()) {
        (_, true) => location,
        (KeyType::Function, _) => format!("{function}{GAP}{location}"),
        _ => format!("{location}{GAP}{function}"),
    }
}

/// Both texts so that they fit `width` with a gap between them; no function where it would say nothing.
fn fitted(location: &str, function: &str, key_type: KeyType, width: usize) -> (String, String) {
    let length = human::width;
    let room = width.saturating_sub(GAP.len());
    let brief = without_parameters(function);
    if length(location) + length(function) <= room {
        return (location.to_owned(), function.to_owned());
    }
    // Half of the room is the function's, and what the location does not need; all of it, if functions are grouped. But
    // the name of the file stays.
    let file = location.rsplit('/').next().map_or(0, length) + ".../".len();
    let share = if key_type == KeyType::Function { room } else { room / 2 };
    let share = room.saturating_sub(length(location)).max(share);
    let for_function = share.min(length(&brief)).min(room.saturating_sub(file));
    if for_function < FUNCTION_WIDTH_MIN.min(length(&brief)) {
        return (keep_path_end(location, width), String::new());
    }
    let location = keep_path_end(location, room - for_function);
    let for_function = room.saturating_sub(length(&location));
    let fits = length(function) <= for_function;
    let function = if fits { function.to_owned() } else { keep_start(&brief, for_function) };
    (location, function)
}

/// The end of a path in at most `width` columns, cut before a folder's name where there is one: `.../src/a.c:12`.
fn keep_path_end(path: &str, width: usize) -> String {
    let cut = keep_end(path, width);
    match cut.strip_prefix("...").and_then(|kept| kept.split_once('/')) {
        Some((_, whole_parts)) if cut.len() < path.len() => format!(".../{whole_parts}"),
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group_of(
        filename: &str,
        function: &str,
        key_type: KeyType,
        width: Option<usize>,
        is_full: bool,
    ) -> String {
        let mut frame = Frame::new(filename, 12);
        frame.function = Some(function.into());
        group(&Traceback::new(vec![frame, Frame::new("main.c", 1)], None), None, key_type, width, is_full)
    }

    #[test]
    fn room_goes_to_what_tells_most() {
        let at = |width| {
            group_of("/usr/src/app/alloc.c", "app_allocate_node(Node*)", KeyType::Lineno, width, false)
        };
        assert_eq!(at(None), "/usr/src/app/alloc.c:12  app_allocate_node(Node*)");
        assert_eq!(at(Some(49)), "/usr/src/app/alloc.c:12  app_allocate_node(Node*)");
        assert_eq!(at(Some(48)), "/usr/src/app/alloc.c:12  app_allocate_node(..)");
        assert_eq!(at(Some(40)), ".../app/alloc.c:12  app_allocate_node...");
        assert_eq!(at(Some(30)), ".../alloc.c:12  app_allocat...");
        assert_eq!(at(Some(14)), ".../alloc.c:12");
    }

    #[test]
    fn templates_are_short_unless_all_is_wanted() {
        let function = "std::map<Key, std::vector<int, std::allocator<int> > >::at(Key const&)";
        let at = |is_full| group_of("a.h", function, KeyType::Function, Some(60), is_full);
        assert_eq!(at(false), "std::map<..>::at(Key const&)  a.h:12");
        assert_eq!(at(true), format!("{function}  a.h:12"));
        let narrow = group_of("/a/long/path/a.h", function, KeyType::Function, Some(36), false);
        assert_eq!(narrow, "std::map<..>::at(..)  .../a.h:12");
    }

    #[test]
    fn every_width_is_kept() {
        for width in 12..100 {
            let text = group_of(
                "/a/quite/long/path/of/some/file.cpp",
                "a::b<c>::d(int, long)",
                KeyType::Lineno,
                Some(width),
                false,
            );
            assert!(human::width(&text) <= width, "{width}: {text}");
            assert!(width < 15 || text.contains("file.cpp:12"), "{text}");
        }
    }

    #[test]
    fn a_frame_without_a_line_is_its_name() {
        assert_eq!(Frame::new("libc.so.6+0x1234", 0).location(), "libc.so.6+0x1234");
        assert_eq!(group(&Traceback::new(vec![], None), None, KeyType::Lineno, None, false), "<unknown>");
    }

    #[test]
    fn a_label_is_its_own_name() {
        let nothing = Traceback::new(vec![], None);
        let at = |tag, width, is_full| group(&nothing, tag, KeyType::Tag, width, is_full);
        assert_eq!(at(None, None, false), "(no tag)");
        assert_eq!(at(Some("GET /a/quite/long/path"), Some(12), false), "GET /a/qu...");
        assert_eq!(at(Some("GET /a/quite/long/path"), Some(12), true), "GET /a/quite/long/path");
        assert_eq!(at(Some("a\nb"), None, true), printable("a\nb"));
    }
}
