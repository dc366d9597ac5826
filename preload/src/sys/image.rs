//! The segments of a loaded object: which of its addresses are mapped, its unwind tables, its build id.
//!
//! ```text
//!  the program   the kernel's AT_PHDR, or the loader's if the loader was started to load it
//!  a library     bias + e_phoff, if what stands there has its PT_DYNAMIC where the loader has it
//!                else where the kernel says that this part of the file is mapped, or the file itself
//!                else the mappings, as if each were a segment
//! ```
//!
//! A file may claim anything: headers, notes and tables may be said to stand where nothing is mapped. The loader does not
//! read those, so nor does this: all is read inside of loadable segments, and only as far as the kernel could read them.

use core::ops::Range;

use super::link_map::Object;
use super::maps::{Mapping, Maps};
use super::process::InitialStack;
use super::{pages, syscall};

type ProgramHeader = libc::Elf64_Phdr;
type FileHeader = libc::Elf64_Ehdr;

const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
/// The smallest page that there is.
const PAGE_BYTES_MIN: usize = 4096;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const NT_GNU_BUILD_ID: u32 = 3;
/// `PATH_MAX`.
const PATH_BYTES: usize = 4096;

mod headers;
use headers::{Headers, checked, file_header_at, page_can_be_read};

/// The segments of a loaded object.
#[derive(Debug)]
pub struct Image {
    bias: usize,
    headers: Headers,
}

impl Image {
    /// Finds the headers of `object`.
    pub fn of(object: &Object) -> Option<Image> {
        let known = object.map.map(|map| map.bias).and_then(|bias| {
            let program = object.is_program().then(|| Image::of_program(bias)).flatten();
            let found = program.filter(|image| image.agrees(object));
            found.or_else(|| {
                Image::behind_file_header(object.start, bias).filter(|image| image.agrees(object))
            })
        });
        known.or_else(|| Image::by_mappings(object, &Maps::open()?))
    }

    /// Finds the program's headers, as the kernel told it, or the loader that loaded it. The loader takes each segment of a program with
    /// holes between them for itself, so that the file header cannot be found from any.
    fn of_program(bias: usize) -> Option<Image> {
        let stack = InitialStack::current();
        let headers = Headers::copied(stack.auxiliary(libc::AT_PHDR)?, stack.auxiliary(libc::AT_PHNUM)?)?;
        Some(Image { bias, headers })
    }

    /// Finds the headers whose place the file header at `start` tells.
    fn behind_file_header(start: usize, bias: usize) -> Option<Image> {
        let header = file_header_at(start)?;
        let at = start.checked_add(usize::try_from(header.e_phoff).ok()?)?;
        Some(Image { bias, headers: Headers::copied(at, header.e_phnum.into())? })
    }

    /// Tells whether these are the headers that the loader has used: its dynamic section and its unwind tables are where they
    /// say.
    fn agrees(&self, object: &Object) -> bool {
        let is_at = |header: &ProgramHeader, address: usize| {
            self.bias.wrapping_add(header.p_vaddr as usize) == address
        };
        let dynamic = object.map.map_or(0, |map| map.dynamic() as usize);
        let mut dynamics = self.of_type(libc::PT_DYNAMIC);
        let eh_frame_header = self.of_type(PT_GNU_EH_FRAME).next();
        let has_tables = match object.eh_frame_header {
            Some(address) => eh_frame_header.map_or(address == 0, |header| is_at(header, address)),
            None => true,
        };
        dynamics.any(|header| is_at(header, dynamic)) && has_tables
    }

    fn of_type(&self, wanted: u32) -> impl Iterator<Item = &ProgramHeader> {
        self.headers.all().iter().filter(move |header| header.p_type == wanted)
    }

    /// Finds the image by what the kernel says is mapped of the object's file. Its path is that of the moment, so it
    /// may be another file by now, which is not read.
    #[cold]
    #[inline(never)]
    pub fn by_mappings(object: &Object, maps: &Maps) -> Option<Image> {
        let first = maps.at(object.start)?;
        if first.file.1 == 0 {
            return None;
        }
        let header = Part::of(object, maps, first.file, 0, size_of::<FileHeader>() as u64);
        let in_memory = header.and_then(|part| {
            let header = file_header_at(part.address)?;
            let (len, size) = (usize::from(header.e_phnum), u64::from(header.e_phnum) * 56);
            let headers = Part::of(object, maps, first.file, header.e_phoff, size)?;
            Headers::copied(headers.address, len)
        });
        let headers = in_memory.or_else(|| headers_of_file(maps, &first));
        let found = headers.and_then(|headers| {
            let bias = match object.map {
                Some(map) => map.bias,
                None => bias_of(headers.all(), &first)?,
            };
            Some(Image { bias, headers }).filter(|image| object.map.is_none() || image.agrees(object))
        });
        found.or_else(|| Image::of_mappings(object, maps, first.file))
    }

    /// Makes the image as if each mapping of the object were a segment. Its headers are not known otherwise; the unwind
    /// tables are if the loader knows them.
    fn of_mappings(object: &Object, maps: &Maps, file: (u64, u64)) -> Option<Image> {
        let bias = object.map?.bias;
        let mut n_mappings = 0;
        each_of(object, maps, file, &mut |_| {
            n_mappings += 1;
            true
        });
        let mut headers = Headers::new(n_mappings + 1)?;
        let mut slots = headers.all_mut().iter_mut();
        let tables = slots.next()?;
        if let Some(address) = object.eh_frame_header.filter(|&address| address != 0) {
            tables.p_type = PT_GNU_EH_FRAME;
            tables.p_vaddr = address.wrapping_sub(bias) as u64;
        }
        each_of(object, maps, file, &mut |mapping| {
            let Some(header) = slots.next() else { return false };
            header.p_type = libc::PT_LOAD;
            header.p_flags = mapping.flags;
            header.p_offset = mapping.offset;
            header.p_vaddr = mapping.start.wrapping_sub(bias) as u64;
            (header.p_filesz, header.p_memsz) = (mapping.range().len() as u64, mapping.range().len() as u64);
            true
        });
        Some(Image { bias, headers })
    }

    /// Returns what is added to virtual addresses.
    pub fn bias(&self) -> usize {
        self.bias
    }

    /// Returns the loadable segments.
    pub fn loads(&self) -> impl Iterator<Item = &ProgramHeader> {
        self.of_type(libc::PT_LOAD)
    }

    /// Returns the range from the lowest to the highest address of the loadable segments.
    pub fn range(&self) -> Range<usize> {
        let starts = self.loads().map(|header| header.p_vaddr);
        let ends = self.loads().map(|header| header.p_vaddr.wrapping_add(header.p_memsz));
        let at = |address: Option<u64>| self.bias.wrapping_add(address.unwrap_or(0) as usize);
        at(starts.min())..at(ends.max())
    }

    /// Returns what can be read around `address`: the segments from its own on, to both sides, as far as they follow each other
    /// without a hole, where nothing is mapped. Empty if it is in none.
    pub fn readable_around(&self, address: usize) -> Range<usize> {
        let mut found = address..address;
        // Segments are in the order of their addresses: one pass goes on upward, and one a segment downward.
        for _ in 0..self.headers.len {
            let mut grown = found.clone();
            for load in self.loads().filter(|load| load.p_flags & libc::PF_R != 0) {
                let segment = self.readable_pages(load);
                if segment.start <= grown.end && grown.start <= segment.end && !segment.is_empty() {
                    grown = grown.start.min(segment.start)..grown.end.max(segment.end);
                }
            }
            if grown == found {
                break;
            }
            found = grown;
        }
        found
    }

    /// Returns the pages of a segment. A file that is shorter than its header says ends before them: what lies behind its end is
    /// mapped and cannot be read.
    fn readable_pages(&self, load: &ProgramHeader) -> Range<usize> {
        let address = self.bias.wrapping_add(load.p_vaddr as usize);
        let start = address / PAGE_BYTES_MIN * PAGE_BYTES_MIN;
        let end_of = |size: u64| {
            let end = address
                .checked_add(size as usize)
                .and_then(|end| end.checked_next_multiple_of(PAGE_BYTES_MIN));
            end.unwrap_or(start)
        };
        let page = |index: usize| start + index * PAGE_BYTES_MIN;
        let n_of_file = end_of(load.p_filesz.min(load.p_memsz)).saturating_sub(start) / PAGE_BYTES_MIN;
        if n_of_file == 0 || page_can_be_read(page(n_of_file - 1)) {
            return start..end_of(load.p_memsz);
        }
        // The first page that cannot be read, by binary search: from the end of the file on there is none that can.
        let (mut low, mut high) = (0, n_of_file - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if page_can_be_read(page(middle)) { low = middle + 1 } else { high = middle }
        }
        start..page(low)
    }

    /// Returns what the loader has made read-only after it had written there, whole pages as it counts them.
    pub fn protected(&self) -> Range<usize> {
        let Some(header) = self.of_type(PT_GNU_RELRO).next() else { return 0..0 };
        let page_bytes = super::process::page_bytes();
        let start = self.bias.wrapping_add(header.p_vaddr as usize);
        let end = start.wrapping_add(header.p_memsz as usize);
        start & !(page_bytes - 1)..end & !(page_bytes - 1)
    }

    /// Returns the address of `.eh_frame_hdr`, if it is in a segment that can be read.
    pub fn eh_frame_header(&self) -> Option<usize> {
        let header = self.of_type(PT_GNU_EH_FRAME).next()?;
        let address = self.bias.wrapping_add(header.p_vaddr as usize);
        self.readable_around(address).contains(&address).then_some(address)
    }

    /// Returns the build id; empty if the object has none. It stays as long as the object is loaded.
    pub fn build_id(&self) -> &'static [u8] {
        let found = self.of_type(libc::PT_NOTE).find_map(|header| {
            let by_address = self.bias.wrapping_add(header.p_vaddr as usize);
            // Where its part of the file is mapped, should its address be none.
            let places = [Some(by_address), self.address_of(header.p_offset)];
            places.into_iter().flatten().find_map(|at| self.build_id_at(at, header))
        });
        found.unwrap_or(&[])
    }

    fn build_id_at(&self, start: usize, note: &ProgramHeader) -> Option<&'static [u8]> {
        let readable = self.readable_around(start);
        let end = start.checked_add(note.p_memsz as usize)?;
        if !readable.contains(&start) || end > readable.end {
            return None;
        }
        // SAFETY: in segments that are mapped as long as the object is loaded, as far as they can be read.
        let bytes = unsafe { core::slice::from_raw_parts(start as *const u8, note.p_memsz as usize) };
        find_build_id(bytes, note.p_align)
    }

    /// Returns where a part of the file is in memory.
    fn address_of(&self, offset: u64) -> Option<usize> {
        self.loads().find_map(|load| {
            let before = offset.checked_sub(load.p_offset).filter(|&before| before < load.p_filesz)?;
            Some(self.bias.wrapping_add(load.p_vaddr.wrapping_add(before) as usize))
        })
    }
}

/// A part of an object's file that is mapped.
struct Part {
    address: usize,
}

impl Part {
    fn of(object: &Object, maps: &Maps, file: (u64, u64), offset: u64, size: u64) -> Option<Part> {
        let mut found = None;
        each_of(object, maps, file, &mut |mapping| {
            let before = offset.checked_sub(mapping.offset);
            let holds = |before: &u64| before.saturating_add(size) <= mapping.range().len() as u64;
            found = before.filter(holds).map(|before| Part { address: mapping.start + before as usize });
            found.is_none()
        });
        found
    }
}

/// Returns the mappings of `file` at the object's addresses.
fn each_of(object: &Object, maps: &Maps, file: (u64, u64), visit: &mut dyn FnMut(&Mapping) -> bool) {
    maps.each(object.start, &mut |mapping| {
        mapping.start < object.end && (mapping.file != file || visit(mapping))
    });
}

/// Returns the program headers as the file has them that is mapped as `first`, if that is still at its path.
fn headers_of_file(maps: &Maps, first: &Mapping) -> Option<Headers> {
    let path: *mut [u8; PATH_BYTES] = pages::zeroed(1);
    // SAFETY: fresh memory of ours, or null.
    let buffer = unsafe { path.as_mut() }?;
    let len = maps.path_at(first.start, buffer.get_mut(..PATH_BYTES - 1).unwrap_or(&mut [])).len();
    let path = core::ffi::CStr::from_bytes_until_nul(buffer).ok().filter(|_| len > 0);
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let fd = path.and_then(|path| syscall::open(path, flags, 0).ok());
    let headers = fd.and_then(|fd| {
        let is_same = syscall::status(fd).is_ok_and(|status| status.identity.1 == first.file.1);
        let headers = is_same.then(|| headers_behind(fd)).flatten();
        syscall::close(fd);
        headers
    });
    // SAFETY: made above, and not used any more.
    unsafe { syscall::munmap(core::ptr::from_mut(buffer).cast(), PATH_BYTES) };
    headers
}

fn headers_behind(fd: i32) -> Option<Headers> {
    let mut bytes = [0u8; size_of::<FileHeader>()];
    syscall::pread(fd, &mut bytes, 0).ok().filter(|&n| n == bytes.len())?;
    // SAFETY: a file header is plain data of this size.
    let header = checked(unsafe { bytes.as_ptr().cast::<FileHeader>().read_unaligned() })?;
    Headers::read(fd, header.e_phoff, header.e_phnum.into())
}

/// Returns what was added to the addresses of the segment that is mapped as `mapping`.
fn bias_of(headers: &[ProgramHeader], mapping: &Mapping) -> Option<usize> {
    let page_of = |number: u64| number & !(PAGE_BYTES_MIN as u64 - 1);
    let load = headers
        .iter()
        .find(|header| header.p_type == libc::PT_LOAD && page_of(header.p_offset) == mapping.offset)?;
    Some(mapping.start.wrapping_sub(page_of(load.p_vaddr) as usize))
}

/// Finds the build id in notes: name length, content length, type, then name and content, each padded to `align` (4 or
/// 8).
fn find_build_id(mut notes: &[u8], align: u64) -> Option<&[u8]> {
    let align = if align == 8 { 8 } else { 4 };
    loop {
        let word = |place: usize| {
            let bytes = notes.get(place * 4..place * 4 + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let (name_len, content_len, kind) = (word(0)? as usize, word(1)? as usize, word(2)?);
        let content_at = (12 + name_len).next_multiple_of(align);
        let content = notes.get(content_at..content_at + content_len)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..12 + name_len)? == b"GNU\0" {
            return Some(content);
        }
        notes = notes.get((content_at + content_len).next_multiple_of(align)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::link_map;
    use super::*;

    #[test]
    fn a_build_id_is_found_behind_another_note() {
        let mut notes = std::vec::Vec::new();
        for (name, kind, content) in [(b"GNU\0", 1u32, &[1u8, 2, 3, 4][..]), (b"GNU\0", 3, &[9, 8, 7, 6][..])]
        {
            notes.extend(4u32.to_le_bytes());
            notes.extend((content.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(name);
            notes.extend(content);
        }
        assert_eq!(find_build_id(&notes, 4), Some(&[9, 8, 7, 6][..]));
        assert_eq!(find_build_id(&notes[..24], 4), None);
    }

    fn own_object() -> Object {
        link_map::initialise();
        link_map::object_at(find_build_id as *const () as usize).expect("our own code")
    }

    #[test]
    fn addresses_of_code_belong_to_an_image_with_unwind_tables() {
        let image = Image::of(&own_object()).expect("an ELF image");
        assert!(image.range().contains(&(find_build_id as *const () as usize)));
        assert!(image.eh_frame_header().is_some());
    }

    /// The loader's view, the kernel's with it, and the kernel's alone, as where the C library has no `_dl_find_object`.
    #[test]
    fn mappings_tell_the_same_as_the_loader() {
        let (object, maps) = (own_object(), Maps::open().expect("/proc is mounted"));
        let by_loader = Image::of(&object).expect("an ELF image");
        let by_mappings = Image::by_mappings(&object, &maps).expect("it is mapped");
        let address = find_build_id as *const () as usize;
        let alone = link_map::object_by_mappings(address).expect("it is mapped");
        let alone = Image::of(&alone).expect("an ELF image");
        for image in [by_mappings, alone] {
            assert_eq!(image.bias(), by_loader.bias());
            assert_eq!(image.range(), by_loader.range());
            assert_eq!(image.eh_frame_header(), by_loader.eh_frame_header());
            assert_eq!(image.build_id(), by_loader.build_id());
        }
        let file = maps.at(object.start).expect("it is mapped").file;
        let as_segments = Image::of_mappings(&object, &maps, file).expect("it is mapped");
        assert_eq!(as_segments.eh_frame_header(), by_loader.eh_frame_header());
    }
}
