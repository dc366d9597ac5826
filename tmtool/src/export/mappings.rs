//! Programs and libraries in an address space of their own: where they really were differs from process to process, and a
//! profile may be of many. Each has its own addresses, one file behind the other.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tm_analyzer::model::{Frame, ModuleFile};
use tm_common::stack::FrameKind;

/// Mappings begin on pages, with one between them.
const PAGE_BYTES: u64 = 4096;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// From 1.
    pub number: u64,
    /// Its path.
    pub path: Arc<str>,
    /// Its build id, or nothing.
    pub build_id: Arc<[u8]>,
    /// Where the file's address 0 is.
    pub start: u64,
    /// The end of what occurs of it.
    pub limit: u64,
}

/// The files of some stacks.
#[derive(Debug, Default)]
pub struct Mappings {
    list: Vec<Mapping>,
    of_file: FxHashMap<Arc<ModuleFile>, usize>,
}

impl Mappings {
    /// The files of the frames of stacks, that of `program` first.
    pub fn of<'a>(frames: impl IntoIterator<Item = &'a Arc<Frame>>, program: &str) -> Mappings {
        let mut files: Vec<(Arc<ModuleFile>, u64)> = Vec::new();
        let mut of_file: FxHashMap<Arc<ModuleFile>, usize> = FxHashMap::default();
        let mut seen = rustc_hash::FxHashSet::default();
        for frame in frames {
            if !seen.insert(Arc::as_ptr(frame).addr()) {
                continue;
            }
            let Some((file, address)) = in_file(frame) else { continue };
            let place = *of_file.entry(Arc::clone(file)).or_insert_with(|| {
                files.push((Arc::clone(file), 0));
                files.len() - 1
            });
            if let Some((_, last)) = files.get_mut(place) {
                *last = (*last).max(address);
            }
        }
        if !files.iter().any(|(file, _)| &*file.path == program) {
            // Readers take the first for the program, and complain where there is none.
            files.push((ModuleFile::at(if program.is_empty() { "[unknown]" } else { program }), 0));
        }
        files.sort_by_key(|(file, _)| !program.is_empty() && &*file.path != program);
        let mut mappings = Mappings::default();
        let mut start = PAGE_BYTES;
        for (file, last) in files {
            let limit = (start.saturating_add(last) / PAGE_BYTES + 1).saturating_mul(PAGE_BYTES);
            let number = mappings.list.len() as u64 + 1;
            let (path, build_id) = (Arc::clone(&file.path), Arc::clone(&file.build_id));
            mappings.of_file.insert(file, mappings.list.len());
            mappings.list.push(Mapping { number, path, build_id, start, limit });
            start = limit.saturating_add(PAGE_BYTES);
        }
        mappings
    }

    /// All files.
    #[must_use]
    pub fn list(&self) -> &[Mapping] {
        &self.list
    }

    /// The number of a frame's file, and its address; 0 and the address as it was, if it is in none.
    #[must_use]
    pub fn place(&self, frame: &Frame) -> (u64, u64) {
        let found = in_file(frame).and_then(|(file, address)| {
            let mapping = self.list.get(*self.of_file.get(file)?)?;
            Some((mapping.number, mapping.start.saturating_add(address)))
        });
        found.unwrap_or_else(|| (0, instruction(frame).unwrap_or(0)))
    }
}

/// The file that a frame is in, and where; code that was made at run time is in none.
fn in_file(frame: &Frame) -> Option<(&Arc<ModuleFile>, u64)> {
    let file = frame.module.as_ref().filter(|file| file.path.contains('/'))?;
    Some((file, instruction(frame)?))
}

/// The instruction of a frame: a return address is behind it.
fn instruction(frame: &Frame) -> Option<u64> {
    let address = frame.address?;
    Some(if frame.kind == FrameKind::Interrupted { address } else { address.saturating_sub(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_behind_each_other_and_the_program_is_the_first() {
        let frame = |path: &str, address| Frame {
            module: Some(ModuleFile::at(path)),
            address: Some(address),
            ..Frame::new("a.c", 1)
        };
        let (library, program, made) =
            (frame("/lib/a.so", 0x1234), frame("/bin/p", 0x2001), frame("[jit]", 0x77));
        let stack = [&made, &program, &library].map(|frame| Arc::new(frame.clone()));
        let mappings = Mappings::of(&stack, "/bin/p");
        let found: Vec<(&str, u64, u64)> =
            mappings.list().iter().map(|file| (&*file.path, file.start, file.limit)).collect();
        assert_eq!(found, [("/bin/p", 0x1000, 0x4000), ("/lib/a.so", 0x5000, 0x7000)]);
        assert_eq!(mappings.place(&program), (1, 0x3000));
        assert_eq!(mappings.place(&library), (2, 0x6233));
        assert_eq!(mappings.place(&made), (0, 0x76));
        assert_eq!(mappings.place(&Frame::new("a.py", 1)), (0, 0));
        let none = Mappings::of(&[], "");
        assert_eq!(none.list().iter().map(|file| &*file.path).collect::<Vec<_>>(), ["[unknown]"]);
    }
}
