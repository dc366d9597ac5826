//! The structures of `api/include/tm.h` are those of `tm_common::api`, and the table that libtm.so exports has each function
//! in its place: gcc says where each field is.

use std::fmt::Write;
use std::mem::offset_of;
use std::process::Command;

use tm_common::api::{
    Api, Block, Frame, PythonFrame, PythonTrace, PythonTraceback, PythonTraces, SizeGroup, TotalSizeOptions,
    TotalSizeResult, Traceback, follow, result,
};
use tm_tests::products::workspace;
use tm_tests::programs::compile;
use tm_tests::run::Run;

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
    structure!(program, expected, "tm_python_frame", PythonFrame { filename, function, lineno });
    structure!(
        program,
        expected,
        "tm_python_traceback",
        PythonTraceback { first_frame, n_frames, total_nframe }
    );
    structure!(program, expected, "tm_python_trace", PythonTrace { size, domain, traceback });
    structure!(
        program,
        expected,
        "tm_python_traces",
        PythonTraces { traces, n_traces, tracebacks, n_tracebacks, frames, n_frames, texts, n_texts }
    );
    #[rustfmt::skip]
    structure!(program, expected, "struct tm_api", Api {
        size, start, stop, is_tracing, get_traceback_limit, clear_traces, get_traced_memory, reset_peak,
        get_tracemalloc_memory, take_snapshot, dump_snapshot, get_object_traceback, traceback_format,
        traceback_free, track, untrack, name_domain, get_domain_memory, total_size, follow, total_size_free, tag,
        restore_tag, python_objects, python_hide, get_python_traces, python_traces_free,
        start_sampled
    });
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

/// The functions of the header's `struct tm_api`, by its text: `    int (*start)(unsigned nframe);`.
fn functions_of_the_header() -> Vec<String> {
    let header = std::fs::read_to_string(workspace().join("api/include/tm.h")).expect("it is there");
    let table = header.split("struct tm_api {").nth(1).and_then(|rest| rest.split("};").next());
    let lines = table.expect("the header has the table").lines();
    lines.filter_map(|line| Some(line.split("(*").nth(1)?.split(')').next()?.to_owned())).collect()
}

#[test]
fn the_exported_table_has_each_function_where_the_header_says() {
    let functions = functions_of_the_header();
    assert!(functions.len() > 20, "{functions:?}");
    let all: String = functions.iter().map(|name| format!("F({name})")).collect();
    let program = compile("table.c", &["-Wall", "-Werror", &format!("-DFUNCTIONS={all}"), "-ldl"]);
    let outcome = Run::new(program).recorded();
    let (bytes, n) = (size_of::<Api>(), functions.len());
    assert_eq!(outcome.stdout, format!("{bytes} bytes of {bytes}, {n} functions, 0 wrong\n"));
    assert!(outcome.status.success());
}

/// What a C program with these statements prints.
fn output_of(statements: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
    let text = format!(
        "#include <stdio.h>\n#include \"tm_python.h\"\n#define P printf\nint main(void) {{\n{statements}return 0;\n}}\n"
    );
    std::fs::write(&source, text).unwrap();
    let include = workspace().join("api/include");
    let mut gcc = Command::new("gcc");
    gcc.args(["-Wall", "-Werror", "-I"]).arg(include).arg(&source).arg("-o").arg(&program);
    assert!(gcc.status().expect("gcc starts").success());
    let output = Command::new(&program).output().expect("it was compiled just now");
    String::from_utf8(output.stdout).unwrap()
}
