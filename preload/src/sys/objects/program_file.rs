//! What a program file is, as far as that decides whether this library can be preloaded into it. Read from its first bytes.

use core::ffi::CStr;

use crate::sys::process::folder::Folder;
use crate::sys::syscall;
use crate::sys::text::Text;

/// What becomes of a program when it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// The loader is glibc's or musl's, or nothing speaks against it.
    Preloads,
    /// A static program, without loader: nothing is preloaded, and nothing goes wrong.
    Static,
    /// Another C library's loader, which takes `LD_PRELOAD` too and fails with a library made for those two.
    Foreign,
    /// It gains rights, so that its loader drops what is preloaded from a path.
    Privileged,
}

/// The bytes of a file that are read: the header, the program headers, and the loader's name, which linkers put behind
/// them.
const HEAD_BYTES: usize = 1024;
/// The number of scripts that are followed to their interpreters, as many as the kernel follows.
const SCRIPTS_MAX: usize = 4;
const PT_INTERP: u32 = 3;
const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;

/// What the file's first bytes say.
#[derive(Debug, PartialEq, Eq)]
enum Head<'a> {
    /// With the path of its loader, if it has one.
    Elf(ProgramKind, Option<&'a CStr>),
    Script(&'a [u8]),
    Unknown,
}

/// Returns the kind of the program at `path`, scripts followed. `None` if it cannot be executed.
#[cold]
pub fn kind_of(folder: &Folder, path: &CStr) -> Option<ProgramKind> {
    // The kernel takes no longer ones from scripts.
    let mut interpreter = Text::<256>::EMPTY;
    for n in 0..=SCRIPTS_MAX {
        if interpreter.is_cut() {
            return None;
        }
        let path = if n == 0 { path } else { interpreter.as_c_str() };
        if !folder.has_program(path) {
            return None;
        }
        let mut bytes = [0; HEAD_BYTES];
        // A program that may be executed and not read is no script, and nothing speaks against it.
        let Ok(fd) = folder.open(path, libc::O_RDONLY) else { return Some(ProgramKind::Preloads) };
        let (status, len) = (syscall::status(fd), syscall::read(fd, &mut bytes));
        syscall::close(fd);
        match parse(bytes.get(..len.ok()?)?, path.to_bytes()) {
            Head::Elf(_, Some(loader)) if !folder.has_program(loader) => return None,
            Head::Elf(..) if status.is_ok_and(|status| status.gains_rights) => {
                return Some(ProgramKind::Privileged);
            }
            Head::Elf(kind, _) => return Some(kind),
            Head::Unknown => return Some(ProgramKind::Preloads),
            Head::Script(named) => {
                interpreter = Text::EMPTY;
                interpreter.push(named);
            }
        }
    }
    Some(ProgramKind::Preloads)
}

fn parse<'a>(bytes: &'a [u8], path: &[u8]) -> Head<'a> {
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or(line);
        let words = line.split(|&byte| byte == b' ' || byte == b'\t');
        return words.into_iter().find(|word| !word.is_empty()).map_or(Head::Unknown, Head::Script);
    }
    // 64 bits, little-endian; others do not load us and say so themselves.
    if bytes.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Head::Unknown;
    }
    let number = |at: usize, len: usize| -> Option<usize> {
        let field = bytes.get(at..at.checked_add(len)?)?;
        Some(field.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    let find = || -> Option<Option<&'a [u8]>> {
        let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        if first < HEADER_BYTES || size != PROGRAM_HEADER_BYTES {
            return None;
        }
        for place in 0..count {
            let at = first.checked_add(place * PROGRAM_HEADER_BYTES)?;
            if number(at, 4)? == PT_INTERP as usize {
                let (start, len) = (number(at.checked_add(8)?, 8)?, number(at.checked_add(32)?, 8)?);
                return bytes.get(start..start.checked_add(len)?).map(Some);
            }
        }
        Some(None)
    };
    let is_loader = |path: &[u8]| name_of(path).starts_with(b"ld-") && !is_foreign(path);
    let found = find();
    let loader = found.flatten().and_then(|loader| CStr::from_bytes_until_nul(loader).ok());
    match (found, loader) {
        (_, Some(loader)) if is_foreign(loader.to_bytes()) => Head::Elf(ProgramKind::Foreign, Some(loader)),
        // A loader itself has none and loads what it is told to.
        (Some(None), _) if !is_loader(path) => Head::Elf(ProgramKind::Static, None),
        _ => Head::Elf(ProgramKind::Preloads, loader),
    }
}

/// Tells whether a loader of this name is another C library's: uClibc's, Android's. glibc's has several.
fn is_foreign(path: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"ld-uClibc", b"ld64-uClibc", b"linker"];
    names.iter().any(|name| name_of(path).starts_with(name))
}

fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Makes a header, one program header of kind `kind`, and a text it points to.
    fn elf(kind: u32, text: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(120, 0);
        bytes[32] = 64;
        (bytes[54], bytes[56]) = (56, 1);
        bytes[64..68].copy_from_slice(&kind.to_le_bytes());
        (bytes[72], bytes[96]) = (120, text.len() as u8);
        bytes.extend(text);
        bytes
    }

    fn kind(bytes: &[u8], path: &[u8]) -> Option<ProgramKind> {
        match parse(bytes, path) {
            Head::Elf(kind, _) => Some(kind),
            Head::Script(_) | Head::Unknown => None,
        }
    }

    #[test]
    fn the_loader_decides() {
        let of = |text: &[u8]| kind(&elf(PT_INTERP, text), b"/bin/it");
        for loader in [
            &b"/lib64/ld-linux-x86-64.so.2\0"[..],
            b"/lib/ld-linux-aarch64.so.1\0",
            b"/opt/glibc/ld-2.36.so\0",
            b"/lib/ld-musl-x86_64.so.1\0",
        ] {
            assert_eq!(of(loader), Some(ProgramKind::Preloads));
        }
        for loader in [&b"/lib/ld-uClibc.so.1\0"[..], b"/system/bin/linker64\0"] {
            assert_eq!(of(loader), Some(ProgramKind::Foreign));
            let loader = CStr::from_bytes_with_nul(loader).expect("it has one");
            let program = elf(PT_INTERP, loader.to_bytes_with_nul());
            assert_eq!(parse(&program, b"it"), Head::Elf(ProgramKind::Foreign, Some(loader)));
        }
        assert_eq!(kind(&elf(1, b""), b"/bin/busybox"), Some(ProgramKind::Static));
        assert_eq!(kind(&elf(1, b""), b"/lib64/ld-linux-x86-64.so.2"), Some(ProgramKind::Preloads));
    }

    #[test]
    fn what_cannot_be_understood_is_left_alone() {
        let whole = elf(PT_INTERP, b"/lib/ld-uClibc.so.1\0");
        for len in 0..whole.len() {
            assert!(matches!(kind(&whole[..len], b"it"), None | Some(ProgramKind::Preloads)), "{len}");
        }
        let mut hostile = whole;
        hostile[72..80].fill(0xff);
        assert_eq!(kind(&hostile, b"it"), Some(ProgramKind::Preloads));
        hostile[32..40].fill(0xff);
        assert_eq!(kind(&hostile, b"it"), Some(ProgramKind::Preloads));
    }

    #[test]
    fn a_script_leads_to_its_interpreter() {
        assert_eq!(parse(b"#! /bin/sh -e\necho", b"it"), Head::Script(b"/bin/sh"));
        assert_eq!(parse(b"#!\n", b"it"), Head::Unknown);
        let kind_of = |path| kind_of(&Folder::WORKING, path);
        assert_eq!(kind_of(c"/bin/sh"), Some(ProgramKind::Preloads));
        // Missing, a folder, and a file that may not be executed.
        assert_eq!([c"/no/such/program", c"/bin", c"/etc/passwd"].map(kind_of), [None; 3]);
    }
}
