//! The segments of a loaded object: which of its addresses are mapped, its unwind tables, its build id.
//!
//! ```text
//!  the program   the kernel's AT_PHDR, or the loader's if the loader was started to load it
//!  a library     bias + e_phoff, if what stands there says so, and has its PT_DYNAMIC where the loader has it
//!                else where the kernel says that this part of the file is mapped, or the file itself
//!                else the mappings, as if each were a segment
//! ```
//!
//! A file may claim anything: headers, notes and tables may be said to stand where nothing is mapped. The loader does not
//! read those, so nor does this: all is read inside of loadable segments, and only as far as the kernel could read them.

use core::ops::Range;

use super::link_map::Object;
use crate::sys::memory::maps::{Mapping, Maps};
use crate::sys::memory::pages;
use crate::sys::process::InitialStack;
use crate::sys::syscall;

type ProgramHeader = libc::Elf64_Phdr;
type FileHeader = libc::Elf64_Ehdr;

const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
/// The smallest page that there is.
const PAGE_BYTES_MIN: usize = 4096;
const PT_GNU_RELRO: u32 = 0x6474_e552;
/// `PATH_MAX`.
const PATH_BYTES: usize = 4096;

mod build_id;
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
        Image::in_memory(object).or_else(|| Image::by_mappings(object, &Maps::open()?))
    }

    /// Returns the same, without a question to the kernel: `None` if the program headers are not in memory where they should be.
    pub fn in_memory(object: &Object) -> Option<Image> {
        let bias = object.map?.bias;
        let program = object.is_program().then(|| Image::of_program(bias)).flatten();
        let found = program.filter(|image| image.agrees(object));
        found.or_else(|| Image::behind_file_header(object.start, bias).filter(|image| image.agrees(object)))
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
        let image = Image { bias, headers: Headers::copied(at, header.e_phnum.into())? };
        // Headers that a tool has replaced in the file may stand there. Those in use say that they do.
        (image.address_of(header.e_phoff) == Some(at)).then_some(image)
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

    /// Tells whether a segment with this permission holds `range`.
    pub fn segment_with(&self, flag: u32, range: Range<usize>) -> bool {
        self.loads().any(|load| {
            let start = self.bias.wrapping_add(load.p_vaddr as usize);
            load.p_flags & flag != 0 && within(&range, &(start..start.saturating_add(load.p_memsz as usize)))
        })
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
            for load in self.readable_loads() {
                let pages = self.pages(load);
                if pages.start > grown.end || grown.start > pages.end || within(&pages, &grown) {
                    continue;
                }
                let pages = self.readable_pages(load);
                if pages.start <= grown.end && grown.start <= pages.end && !pages.is_empty() {
                    grown = grown.start.min(pages.start)..grown.end.max(pages.end);
                }
            }
            if grown == found {
                break;
            }
            found = grown;
        }
        found
    }

    /// Returns what can be read of the segment that holds `address`. Empty if it is in none.
    pub fn readable_segment(&self, address: usize) -> Range<usize> {
        let mut holding = self.readable_loads().filter(|load| self.pages(load).contains(&address));
        holding.next().map_or(0..0, |load| self.readable_pages(load))
    }

    fn readable_loads(&self) -> impl Iterator<Item = &ProgramHeader> {
        self.loads().filter(|load| load.p_flags & libc::PF_R != 0)
    }

    /// Returns the pages of a segment, as its header has them. None if they wrap.
    fn pages(&self, load: &ProgramHeader) -> Range<usize> {
        let address = self.bias.wrapping_add(load.p_vaddr as usize);
        let start = address / PAGE_BYTES_MIN * PAGE_BYTES_MIN;
        let end = address.checked_add(load.p_memsz as usize);
        start..end.and_then(|end| end.checked_next_multiple_of(PAGE_BYTES_MIN)).unwrap_or(start)
    }

    /// Returns the pages of a segment that can be read. A file that is shorter than its header says ends before them: what lies behind its
    /// end is mapped and cannot be read.
    fn readable_pages(&self, load: &ProgramHeader) -> Range<usize> {
        let all = self.pages(load);
        let of_file = self.pages(&ProgramHeader { p_memsz: load.p_filesz.min(load.p_memsz), ..*load });
        let page = |index: usize| all.start + index * PAGE_BYTES_MIN;
        let n_of_file = of_file.len() / PAGE_BYTES_MIN;
        if n_of_file == 0 || page_can_be_read(page(n_of_file - 1)) {
            return all;
        }
        // The first page that cannot be read, by binary search: from the end of the file on there is none that can.
        let (mut low, mut high) = (0, n_of_file - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if page_can_be_read(page(middle)) { low = middle + 1 } else { high = middle }
        }
        all.start..page(low)
    }

    /// Returns what the loader has made read-only after it had written there, whole pages as it counts them.
    pub fn protected(&self) -> Range<usize> {
        let Some(header) = self.of_type(PT_GNU_RELRO).next() else { return 0..0 };
        let page_bytes = crate::sys::process::page_bytes();
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

    /// Returns where a part of the file is in memory.
    fn address_of(&self, offset: u64) -> Option<usize> {
        self.loads().find_map(|load| {
            let before = offset.checked_sub(load.p_offset).filter(|&before| before < load.p_filesz)?;
            Some(self.bias.wrapping_add(load.p_vaddr.wrapping_add(before) as usize))
        })
    }
}

fn within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::objects::link_map;

    fn own_object() -> Object {
        let [find_object] = crate::sys::objects::elf::first_of([c"_dl_find_object"]);
        link_map::initialise(find_object);
        link_map::object_at(Image::of as *const () as usize).expect("our own code")
    }

    #[test]
    fn addresses_of_code_belong_to_an_image_with_unwind_tables() {
        let image = Image::of(&own_object()).expect("an ELF image");
        assert!(image.range().contains(&(Image::of as *const () as usize)));
        assert!(image.eh_frame_header().is_some());
    }

    /// The loader's view, the kernel's with it, and the kernel's alone, as where the C library has no `_dl_find_object`.
    #[test]
    fn mappings_tell_the_same_as_the_loader() {
        let (object, maps) = (own_object(), Maps::open().expect("/proc is mounted"));
        let by_loader = Image::of(&object).expect("an ELF image");
        let by_mappings = Image::by_mappings(&object, &maps).expect("it is mapped");
        let address = Image::of as *const () as usize;
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
