//! What heaptrack makes of the lines, by its own rules.

use super::*;
use tm_analyzer::model::{ModuleFile, by_address};

fn frame(function: &str, file: &str, line: u32, address: u64) -> Arc<Frame> {
    let module = Some(ModuleFile::at("/usr/bin/demo"));
    let (function, address) = (Some(function.into()), Some(address));
    Arc::new(Frame { function, module, address, ..Frame::new(file, line) })
}

/// What shows any stack as `outermost_first`.
fn shows(outermost_first: &[Arc<Frame>]) -> impl FnOnce(StackId, &mut Called<'_>) -> u32 {
    move |_, called| {
        by_address(outermost_first).fold(Tree::ROOT, |caller, functions| {
            let innermost_first: Vec<Arc<Frame>> = functions.iter().rev().cloned().collect();
            called(caller, None, &innermost_first)
        })
    }
}

fn written(write: impl FnOnce(&mut DataFile<Vec<u8>>)) -> String {
    let mut file = DataFile::new(Vec::new(), &["demo".to_owned(), "a\nb".to_owned()]);
    write(&mut file);
    String::from_utf8(file.finish(20_000_000).unwrap()).unwrap()
}

#[test]
fn what_a_line_names_stands_before_it_and_once() {
    // `inlined` is a part of `leaf`.
    let (main, leaf) = (frame("main", "demo.c", 30, 0x2000), frame("leaf", "demo.c", 9, 0x1000));
    let inlined = frame("inlined", "demo.h", 7, 0x1000);
    let stack = [main, leaf, inlined];
    let text = written(|file| {
        for size in [100, 32] {
            file.allocated(Allocated::new(size, StackId(1)), shows(&stack));
        }
        file.time(10_000_000);
        file.freed(Allocated::new(100, StackId(1)), false, |_, _| unreachable!("it is known"));
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "v 10500 3",
            "X demo a\\nb",
            "c 0",
            "s d /usr/bin/demo",
            "s 4 main",
            "s 6 demo.c",
            "i 2000 1 2 3 1e",
            "t 1 0",
            "s 7 inlined",
            "s 6 demo.h",
            "s 4 leaf",
            "i 1000 1 4 5 7 6 3 9",
            "t 2 1",
            "a 64 2",
            "+ 0",
            "a 20 2",
            "+ 1",
            "c a",
            "- 0",
            "c 14",
        ]
    );
}

/// heaptrack's own rule, on what is written.
fn temporary(text: &str) -> usize {
    let (mut latest, mut n_temporary) = (0, 0);
    for line in text.lines() {
        let number = |line: &str| u64::from_str_radix(&line[2..], 16).unwrap();
        match &line[..1] {
            "+" => latest = number(line),
            "-" => {
                n_temporary += usize::from(latest == number(line));
                latest = 0;
            }
            _ => {}
        }
    }
    n_temporary
}

#[test]
fn only_frees_of_temporary_blocks_look_like_it() {
    let stack = [Arc::new(Frame::new("a.c", 1))];
    let [one, other] = [8, 9].map(|size| Allocated::new(size, StackId(1)));
    let text = written(|file| {
        file.allocated(one, shows(&stack));
        file.allocated(one, shows(&stack));
        // The first one, then the second.
        file.freed(one, false, shows(&stack));
        file.freed(one, false, shows(&stack));
        file.allocated(other, shows(&stack));
        file.freed(other, true, shows(&stack));
        file.allocated(other, shows(&stack));
        file.freed(other, false, shows(&stack));
        // What was freed between is no hindrance.
        file.allocated(one, shows(&stack));
        file.allocated(other, shows(&stack));
        file.freed(one, false, shows(&stack));
        file.time(5_000_000);
        file.freed(other, true, shows(&stack));
    });
    assert_eq!(temporary(&text), 2, "{text}");
    assert_eq!(text.matches("\n- ").count(), text.matches("\n+ ").count());
}

#[test]
fn a_failure_is_told_at_the_end() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(
        DataFile::new(Full, &[]).finish(0).err().map(|error| error.kind()),
        Some(io::ErrorKind::StorageFull)
    );
}
