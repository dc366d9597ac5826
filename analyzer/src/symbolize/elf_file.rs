//! What a file on disk says about itself: its build-id, its links to debug files, how much memory it takes.
//!
//! Reads only the parts it needs; the debug information itself is `module`'s business.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use object::read::{Object, ObjectSection, ObjectSegment, ReadCache};

use super::attempt::Holds;
use super::mini_debug_info::MiniDebugInfo;
use super::{ModuleImage, Segment};

/// Recorded ranges are exact or in whole pages.
const PAGE_BYTES: u64 = 4096;

/// The facts of one ELF file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ElfFile {
    /// The contents of the build-id note, empty if there is none.
    pub build_id: Vec<u8>,
    /// What names can be made of.
    pub holds: Holds,
    /// `.gnu_debuglink`: the debug file's name and its CRC-32.
    pub debug_link: Option<(Vec<u8>, u32)>,
    /// `.gnu_debugaltlink`: the supplementary file's path and build-id.
    pub supplement: Option<(Vec<u8>, Vec<u8>)>,
    /// The first address of its segments and the one after their last, before the bias is added.
    pub addresses: (u64, u64),
    /// Its loadable segments.
    pub segments: Vec<Segment>,
    /// When it was written, in ns since 1970.
    pub modified_ns: u64,
    /// The symbols in `.gnu_debugdata`.
    pub mini_debug_info: MiniDebugInfo,
}

impl ElfFile {
    /// Reads the facts of the file at `path`.
    ///
    /// # Errors
    /// That of opening it, or `InvalidData` if it is not an ELF file.
    pub(super) fn read(path: &Path) -> io::Result<ElfFile> {
        // The path comes from a recording, and opening a pipe would wait for its writer.
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"));
        }
        let cache = ReadCache::new(File::open(path)?);
        let invalid = |error: object::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let object = object::File::parse(&cache).map_err(invalid)?;
        let owned = |(name, id): (&[u8], &[u8])| (name.to_owned(), id.to_owned());
        let packed = object.section_by_name(".gnu_debugdata");
        let packed = packed.and_then(|section| section.data().ok());
        let mini_debug_info = packed.map(MiniDebugInfo::unpack).unwrap_or_default();
        Ok(ElfFile {
            build_id: object.build_id().map_err(invalid)?.unwrap_or_default().to_owned(),
            holds: Holds {
                debug_information: object.has_debug_symbols(),
                symbols: object.symbol_table().is_some(),
                exported_symbols: object.dynamic_symbol_table().is_some(),
                mini_debug_info: !mini_debug_info.is_empty(),
            },
            debug_link: object.gnu_debuglink().ok().flatten().map(|(name, crc)| (name.to_owned(), crc)),
            supplement: object.gnu_debugaltlink().ok().flatten().map(owned),
            addresses: addresses(&object),
            segments: segments(&object),
            modified_ns: modified_ns(&metadata),
            mini_debug_info,
        })
    }

    /// Whether this is, as far as one can tell, the file that was loaded: by its build-id, and of files without one
    /// by the memory they take, segment by segment.
    pub(super) fn is_of(&self, image: &ModuleImage) -> bool {
        if !self.build_id.is_empty() || !image.build_id.is_empty() {
            return self.build_id == image.build_id;
        }
        if !self.segments.starts_with(&image.segments) {
            return false;
        }
        let (start, end) =
            (image.bias.wrapping_add(self.addresses.0), image.bias.wrapping_add(self.addresses.1));
        let same_start = image.start == start || image.start == start - start % PAGE_BYTES;
        let same_end = image.end == end || image.end == end.div_ceil(PAGE_BYTES).wrapping_mul(PAGE_BYTES);
        same_start && same_end
    }
}

fn modified_ns(metadata: &fs::Metadata) -> u64 {
    let (seconds, ns) = (metadata.mtime(), metadata.mtime_nsec());
    let all = i128::from(seconds) * 1_000_000_000 + i128::from(ns);
    u64::try_from(all).unwrap_or(0)
}

fn segments<'data>(object: &impl Object<'data>) -> Vec<Segment> {
    let segments = object.segments();
    segments.map(|segment| (segment.address(), segment.size(), segment.file_range().0)).collect()
}

fn addresses<'data>(object: &impl Object<'data>) -> (u64, u64) {
    let ends = object.segments().map(|segment| segment.address().saturating_add(segment.size()));
    let start = object.segments().map(|segment| segment.address()).min();
    (start.unwrap_or(0), ends.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_build_ids_the_addresses_decide() {
        let file = ElfFile { addresses: (0x1000, 0x3210), ..ElfFile::default() };
        let image = |start, end| ModuleImage { bias: 0x10000, start, end, ..ModuleImage::default() };
        assert!(file.is_of(&image(0x11000, 0x13210)));
        assert!(file.is_of(&image(0x11000, 0x14000)));
        assert!(!file.is_of(&image(0x11000, 0x15000)));
        assert!(!file.is_of(&ModuleImage { build_id: vec![1], ..image(0x11000, 0x13210) }));
    }

    #[test]
    fn what_is_no_elf_file_is_an_error() {
        assert!(ElfFile::read(Path::new("/nonexistent")).is_err());
        let text = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(text.path(), "no ELF file, but long enough to hold the header of one, and more")
            .unwrap();
        assert_eq!(ElfFile::read(text.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(ElfFile::read(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
