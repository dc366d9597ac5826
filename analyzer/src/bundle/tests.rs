//! Names that were written, read again: whole, damaged and of any length.

use tm_testing::Random;

use super::*;

fn frame<'a>(function: &'a str, file: &'a str, line: u32) -> BundledFrame<'a> {
    let optional = |text: &'a str| (!text.is_empty()).then_some(text);
    BundledFrame { function: optional(function), file: optional(file), line }
}

fn read(contents: Vec<Vec<u8>>) -> Bundle {
    Bundle::read(PathBuf::new(), contents.into_iter().map(Some))
}

fn example() -> Vec<Vec<u8>> {
    let mut writer = BundleWriter::default();
    let problem = BundledProblem { reason: 3, file: "/a", detail: "why" };
    writer.module("/bin/a", &[1, 2], 0x5000, [problem].into_iter());
    writer.address(0x10, &[frame("inner", "a.c", 3), frame("outer", "a.c", 9)]);
    writer.address(0x7fff_ffff_ffff, &[frame("", "", 0)]);
    writer.module("/bin/a", &[3], 0x5000, std::iter::empty());
    writer.address(u64::MAX, &[frame("other\u{10ffe9}", "é.c", u32::MAX)]);
    writer.allocators("a", &[1], &["jemalloc"]);
    writer.finish().parts
}

#[test]
fn what_was_written_is_read() {
    let bundle = read(example());
    assert_eq!(bundle.n_damaged, 0);
    let a = bundle.module("/bin/a", &[1, 2], 0x5000).expect("it is there");
    assert_eq!(bundle.frames(&a, 0x10), Some(vec![frame("inner", "a.c", 3), frame("outer", "a.c", 9)]));
    assert_eq!(bundle.frames(&a, 0x7fff_ffff_ffff), Some(vec![frame("", "", 0)]));
    assert_eq!(bundle.frames(&a, 0x11), None);
    assert_eq!(bundle.problems(&a), [BundledProblem { reason: 3, file: "/a", detail: "why" }]);
    let other = bundle.module("/bin/a", &[3], 0x5000).expect("it is there");
    assert_eq!(bundle.frames(&other, u64::MAX), Some(vec![frame("other\u{10ffe9}", "é.c", u32::MAX)]));
    assert!(
        bundle.module("/bin/a", &[1, 2], 0x6000).is_none() && bundle.module("/b", &[3], 0x5000).is_none()
    );
    assert_eq!(bundle.allocators("a", &[1]), Some(vec!["jemalloc"]));
    assert_eq!(bundle.allocators("a", &[2]), None);
    assert_eq!(bundle.contents().map(<[u8]>::to_vec).collect::<Vec<_>>(), example());
    assert!(read(BundleWriter::default().finish().parts).is_empty());
}

#[test]
fn names_of_any_length_are_cut_into_parts() {
    let mut writer = BundleWriter::default();
    writer.module("/x", &[], 1, std::iter::empty());
    let long = |n: u64| format!("{n}{}", "\x1b[31m\n".repeat(20_000));
    for n in 0..200 {
        writer.address(n * 3, &[frame(&long(n), "a.c", 1)]);
    }
    let endless = "x".repeat(PART_BYTES_MAX);
    writer.address(5_000, &[frame(&endless, "a.c", 1)]);
    writer.address(6_000, &[frame("last", "a.c", 1)]);
    let Names { parts: contents, n_left_out, .. } = writer.finish();
    assert!(contents.len() > 2 && contents.iter().all(|content| content.len() <= PART_BYTES_MAX));
    assert_eq!(n_left_out, 1);
    let bundle = read(contents);
    let module = bundle.module("/x", &[], 1).expect("it is there");
    for n in 0..200 {
        assert_eq!(bundle.frames(&module, n * 3), Some(vec![frame(&long(n), "a.c", 1)]), "{n}");
    }
    assert_eq!(bundle.frames(&module, 5_000), None);
    assert_eq!(bundle.frames(&module, 6_000), Some(vec![frame("last", "a.c", 1)]));
}

/// A checksum stands before them, so this is of what was forged.
#[test]
fn what_makes_no_sense_is_a_part_that_is_not_there() {
    let [content] = &example()[..] else { panic!("one part") };
    for n in 0..content.len() {
        let bundle = read(vec![content[..n].to_vec(), content.clone()]);
        assert_eq!(bundle.n_damaged, 1, "{n}");
        assert!(bundle.module("/bin/a", &[3], 0x5000).is_some());
    }
    let mut random = Random::new(7);
    for _ in 0..20_000 {
        let mut damaged = content.clone();
        for _ in 0..=random.below(3) {
            let place = random.below(damaged.len() as u64) as usize;
            damaged[place] = random.below(256) as u8;
        }
        let bundle = read(vec![damaged]);
        for build_id in [&[1, 2][..], &[3]] {
            if let Some(module) = bundle.module("/bin/a", build_id, 0x5000) {
                bundle.frames(&module, 0x10);
                bundle.problems(&module);
            }
        }
        bundle.allocators("a", &[1]);
    }
    let bundle = Bundle::read(PathBuf::new(), [None, Some(content.clone())].into_iter());
    assert!(bundle.n_damaged == 1 && !bundle.is_empty());
}

#[test]
fn lines_of_source_are_carried_as_far_as_there_is_room() {
    let mut source = SourceText::default();
    source.add("/a.c", 3, "three".to_owned());
    source.add("/a.c", u32::MAX, String::new());
    source.add("/b.py", 1, "\u{e9}\tone".to_owned());
    (1..=2500).for_each(|line| source.add("/long.c", line, format!("line {line}")));
    let mut writer = BundleWriter::default();
    writer.module("/bin/a", &[1], 1, std::iter::empty());
    writer.address(0x10, &[frame("f", "/a.c", 3)]);
    writer.source(&source);
    let names = writer.finish();
    assert_eq!((names.parts.len(), names.n_lines_left_out), (1, 0));
    let bundle = read(names.parts.clone());
    assert_eq!((&**bundle.source(), bundle.n_damaged), (&source, 0));
    assert!(bundle.module("/bin/a", &[1], 1).is_some() && read(example()).source().files().next().is_none());
    // What is cut is no part, but where it ends before them.
    let content = &names.parts[0];
    let cut = (0..content.len()).filter(|n| read(vec![content[..*n].to_vec()]).n_damaged == 0);
    assert_eq!(cut.count(), 1);
    let mut random = Random::new(9);
    for _ in 0..2_000 {
        let mut damaged = content.clone();
        let place = random.below(damaged.len() as u64) as usize;
        damaged[place] = random.below(256) as u8;
        read(vec![damaged]);
    }
    // More than there is room for.
    let mut source = SourceText::default();
    (1..=40).for_each(|line| source.add(&format!("/{line}.c"), line, "x".repeat(1 << 20)));
    let mut writer = BundleWriter::default();
    writer.source(&source);
    let names = writer.finish();
    assert!(names.n_lines_left_out > 5 && names.parts.iter().all(|part| part.len() <= PART_BYTES_MAX));
    let n_read = read(names.parts).source().files().count() as u64;
    assert_eq!(n_read + names.n_lines_left_out, 40);
}
