//! The structures of `api/include/tm.h` are those of `tm_common::api`: gcc says where each field is.

use std::fmt::Write;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use tm_common::api::{Block, Frame, SizeGroup, TotalSizeOptions, TotalSizeResult, Traceback, follow, result};

/// Adds the sizes and offsets that Rust has to `expected`, and the C code that prints gcc's to `program`.
macro_rules! structure {
    ($program:ident, $expected:ident, $c_name:literal, $rust:ty { $($field:ident),* }) => {
        let _ = writeln!($program, "P(\"{} %zu\\n\", sizeof({}));", $c_name, $c_name);
        let _ = writeln!($expected, "{} {}", $c_name, size_of::<$rust>());
        $(
            let field = stringify!($field);
            let _ = writeln!($program, "P(\"  {field} %zu\\n\", offsetof({}, {field}));", $c_name);
            let _ = writeln!($expected, "  {field} {}", offset_of!($rust, $field));
        )*
    };
}

#[test]
fn structures_and_codes_are_those_of_the_header() {
    let (mut program, mut expected) = (String::new(), String::new());
    structure!(program, expected, "tm_frame", Frame { filename, lineno, function, address });
    structure!(
        program,
        expected,
        "tm_traceback",
        Traceback { frames, n_frames, total_nframe, address, size, domain }
    );
    structure!(program, expected, "tm_block", Block { address, size, domain, depth, location });
    structure!(
        program,
        expected,
        "tm_total_size_options",
        TotalSizeOptions { depth_max, blocks_max, handler, visit, context, verbose }
    );
    structure!(program, expected, "tm_size_group", SizeGroup { depth, location, size, count });
    structure!(
        program,
        expected,
        "tm_total_size_result",
        TotalSizeResult { size, count, by_depth, n_depths, by_line, n_lines, is_cut }
    );
    for (name, code) in [
        ("TM_OK", result::OK),
        ("TM_NO_MEMORY", result::NO_MEMORY),
        ("TM_NOT_TRACING", result::NOT_TRACING),
        ("TM_NOT_LOADED", result::NOT_LOADED),
        ("TM_INVALID", result::INVALID),
        ("TM_NOT_FOUND", result::NOT_FOUND),
        ("TM_BUSY", result::BUSY),
        ("TM_FAILED", result::FAILED),
        ("TM_FOLLOW", follow::FOLLOW),
        ("TM_STOP", follow::STOP),
        ("TM_SKIP", follow::SKIP),
    ] {
        let _ = writeln!(program, "P(\"{name} %d\\n\", {name});");
        let _ = writeln!(expected, "{name} {code}");
    }
    assert_eq!(output_of(&program), expected);
}

/// What a C program with these statements prints.
fn output_of(statements: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
    let text = format!(
        "#include <stdio.h>\n#include \"tm.h\"\n#define P printf\nint main(void) {{\n{statements}return 0;\n}}\n"
    );
    std::fs::write(&source, text).unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/include");
    let mut gcc = Command::new("gcc");
    gcc.args(["-Wall", "-Werror", "-I"]).arg(include).arg(&source).arg("-o").arg(&program);
    assert!(gcc.status().expect("gcc starts").success());
    let output = Command::new(&program).output().expect("it was compiled just now");
    String::from_utf8(output.stdout).unwrap()
}
