//! A frame as valgrind's tools write it: `0xADDRESS: function (file:line)`, or `(in module)` where there is no line.

use crate::export::frames::clean;
use tm_analyzer::model::Frame;

/// The text of `frame`, on one line.
#[must_use]
pub fn text(frame: &Frame) -> String {
    let address = frame.address.unwrap_or(0);
    let function = frame.function.as_deref().unwrap_or("???");
    let place = match (frame.lineno, frame.module_path()) {
        (0, Some(module)) => format!("in {module}"),
        (0, None) => frame.filename.to_string(),
        (line, _) => format!("{}:{line}", frame.filename),
    };
    clean(&format!("0x{address:X}: {function} ({place})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tm_analyzer::model::ModuleFile;

    #[test]
    fn the_line_or_else_the_module_is_told() {
        let of = |function: Option<&str>, line, module: Option<&str>| Frame {
            function: function.map(Into::into),
            module: module.map(ModuleFile::at),
            address: Some(0xabc),
            ..Frame::new("a\n.c", line)
        };
        assert_eq!(text(&of(Some("f(int)"), 7, Some("/bin/x"))), "0xABC: f(int) (a\\n.c:7)");
        assert_eq!(text(&of(None, 0, Some("/bin/x"))), "0xABC: ??? (in /bin/x)");
        assert_eq!(text(&Frame::unknown()), "0x0: ??? (<unknown>)");
    }
}
