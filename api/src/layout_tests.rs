//! The types of `layout` are those of `tm.h`. The oracle is the C compiler, which prints sizes and offsets of the header.

use std::fmt::Write;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use crate::layout::{Block, Frame, SizeGroup, Table, TotalSizeOptions, TotalSizeResult, Traceback};

/// Lists (C's type, its size here, its fields with their offsets here).
macro_rules! layouts {
    ($($c:literal = $rust:ident { $($field:ident),* $(,)? })*) => {
        [$(($c, size_of::<$rust>(), vec![$((stringify!($field), offset_of!($rust, $field))),*])),*]
    };
}

#[test]
fn types_are_laid_out_as_the_header_says() {
    let layouts = layouts! {
        "tm_frame" = Frame { filename, lineno, function, address }
        "tm_traceback" = Traceback { frames, n_frames, total_nframe, address, size, domain }
        "tm_block" = Block { address, size, domain, depth, location }
        "tm_total_size_options" = TotalSizeOptions { depth_max, blocks_max, handler, visit, context, verbose }
        "tm_size_group" = SizeGroup { depth, location, size, count }
        "tm_total_size_result" = TotalSizeResult { size, count, by_depth, n_depths, by_line, n_lines, is_cut }
        "struct tm_api" = Table {
            size, start, stop, is_tracing, get_traceback_limit, clear_traces, get_traced_memory, reset_peak,
            get_tracemalloc_memory, take_snapshot, dump_snapshot, get_object_traceback, traceback_format,
            traceback_free, track, untrack, name_domain, get_domain_memory, total_size, follow,
            total_size_free, tag, restore_tag, python_objects, python_hide, get_python_traces,
            python_traces_free, start_sampled,
        }
    };
    let mut program = String::from("#include \"tm.h\"\n#include <stdio.h>\nint main(void) {\n");
    let mut expected = String::new();
    for (name, size, fields) in &layouts {
        writeln!(program, "printf(\"{name} %zu\\n\", sizeof({name}));").expect("memory");
        writeln!(expected, "{name} {size}").expect("memory");
        for (field, offset) in fields {
            writeln!(program, "printf(\"{name}.{field} %zu\\n\", offsetof({name}, {field}));")
                .expect("memory");
            writeln!(expected, "{name}.{field} {offset}").expect("memory");
        }
    }
    program.push_str("return 0;\n}\n");
    assert_eq!(compiled_and_run(&program), expected);
}

/// Returns what a C program prints that is compiled with the header at hand.
fn compiled_and_run(program: &str) -> String {
    let folder = std::env::temp_dir().join(format!("tm-api-layout-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let (source, binary) = (folder.join("layout.c"), folder.join("layout"));
    std::fs::write(&source, program).expect("as above");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let compiler = Command::new("gcc").arg("-I").arg(include).arg(&source).arg("-o").arg(&binary).status();
    assert!(compiler.expect("gcc starts").success(), "gcc refuses\n{program}");
    let output = Command::new(&binary).output().expect("it was compiled");
    std::fs::remove_dir_all(&folder).expect("it was made");
    String::from_utf8(output.stdout).expect("it prints names and numbers")
}
