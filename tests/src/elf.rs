//! Shared libraries with headers and tables as no linker writes them: moved, false, cut.

use crate::fuzz::random::Random;

/// The bytes of a 64-bit little-endian library.
#[derive(Clone, Debug)]
pub struct Library(pub Vec<u8>);

/// Where a field stands in a program header.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are those of elf(5)")]
pub enum Field {
    Offset = 8,
    VirtualAddress = 16,
    FileBytes = 32,
    MemoryBytes = 40,
    Align = 48,
}

const HEADER_BYTES: usize = 56;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
/// `PT_NOTE`.
pub const PT_NOTE: u32 = 4;
/// `PT_GNU_EH_FRAME`.
pub const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

const DT_JMPREL: u64 = 23;
/// The tables that dynamic entries name, by their tags.
const TABLES: [(&str, u64); 6] = [
    ("DT_HASH", 4),
    ("DT_STRTAB", 5),
    ("DT_SYMTAB", 6),
    ("DT_JMPREL", DT_JMPREL),
    ("DT_GNU_HASH", 0x6fff_fef5),
    ("DT_VERSYM", 0x6fff_fff0),
];

impl Library {
    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight bytes"))
    }

    fn put(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn n_headers(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[56], self.0[57]]))
    }

    /// The places of the headers of `kind`.
    fn headers(&self, kind: u32) -> Vec<usize> {
        let first = usize::try_from(self.u64_at(32)).unwrap_or(usize::MAX);
        let all = (0..self.n_headers()).map(|index| first.saturating_add(index * HEADER_BYTES));
        let inside = all.filter(|at| at.saturating_add(HEADER_BYTES) <= self.0.len());
        inside.filter(|&at| self.0[at..at + 4] == kind.to_le_bytes()).collect()
    }

    /// Adds `distance` to a field of all headers of `kind`.
    pub fn shift(&mut self, kind: u32, field: Field, distance: u64) {
        for at in self.headers(kind) {
            let at = at + field as usize;
            self.put(at, self.u64_at(at).wrapping_add(distance));
        }
    }

    /// Where address `address` stands in the file.
    fn offset_of(&self, address: u64) -> Option<usize> {
        self.headers(PT_LOAD).into_iter().find_map(|at| {
            let field = |field: Field| self.u64_at(at + field as usize);
            let inside = address.checked_sub(field(Field::VirtualAddress))?;
            (inside < field(Field::FileBytes)).then(|| field(Field::Offset).saturating_add(inside) as usize)
        })
    }

    /// The places of the dynamic section's entries, each a tag and a value.
    fn dynamic_entries(&self) -> Vec<usize> {
        let Some(&header) = self.headers(PT_DYNAMIC).first() else { return Vec::new() };
        let first = self.u64_at(header + Field::Offset as usize) as usize;
        let all = (0..64).map(|n| first.saturating_add(16 * n));
        let inside = all.take_while(|at| at.checked_add(16).is_some_and(|end| end <= self.0.len()));
        inside.take_while(|&at| self.u64_at(at) != 0).collect()
    }

    /// Where the table that entry `tag` of the dynamic section names stands in the file.
    fn table(&self, tag: u64) -> Option<usize> {
        let at = self.dynamic_entries().into_iter().find(|&at| self.u64_at(at) == tag)?;
        self.offset_of(self.u64_at(at + 8)).filter(|&offset| offset.saturating_add(8) < self.0.len())
    }

    /// Damages what the loader and we look symbols up by.
    fn damage_tables(&mut self, random: &mut Random) -> String {
        let (name, tag) = *random.of(&TABLES);
        let Some(table) = self.table(tag) else { return format!("no {name}") };
        // In words of 4 bytes: the heads of hash tables, whole small tables, and some far behind. Of a relocation only what it
        // is and of which symbol: written elsewhere, it might hit what is not the library's.
        let word = match tag {
            DT_JMPREL => 6 * random.below(8) + 2 + random.below(2),
            _ if random.once_in(4) => random.below(4_096),
            _ => random.below(48),
        };
        let at = table.saturating_add(4 * word);
        let value = if random.below(3) == 0 { random.any() as u32 } else { random.awkward() as u32 };
        let Some(bytes) = self.0.get_mut(at..at.saturating_add(4)) else {
            return format!("nothing of {name}");
        };
        bytes.copy_from_slice(&value.to_le_bytes());
        format!("word {word} of {name}: {value:#x}")
    }

    /// Makes an entry of the dynamic section name another place in the library.
    fn damage_dynamic(&mut self, random: &mut Random) -> String {
        let (name, tag) = *random.of(&TABLES);
        let distance = *random.of(&[1, 4, 8, 0x40, 0x400, 0x1000, u64::MAX - 7]);
        let entry = self.dynamic_entries().into_iter().find(|&at| self.u64_at(at) == tag);
        let Some(at) = entry else { return format!("no {name}") };
        self.put(at + 8, self.u64_at(at + 8).wrapping_add(distance));
        format!("{name} by {distance:#x}")
    }

    /// How many segments are loaded.
    pub fn n_segments(&self) -> usize {
        self.headers(PT_LOAD).len()
    }

    /// Adds `n` segments of a page each, behind all others, with the headers at the end of the file.
    pub fn add_segments(&mut self, n: u64) {
        for _ in 0..n {
            self.move_headers_to_end(Some(0));
        }
    }

    /// Moves the headers to the end of the file twice, so that those that were left behind stand where the new ones would be if addresses were
    /// as far apart as places in the file.
    pub fn leave_headers_behind(&mut self) {
        let end = self.end_of_segments();
        let len = self.0.len().max(end as usize).next_multiple_of(4096);
        self.0.resize(len, 0);
        // The second ones come a page later.
        self.move_headers_to_end(Some(len as u64 + 4096 - end));
        self.move_headers_to_end(Some(0));
    }

    /// Puts the program headers at the end of the file, where a segment of their own maps them `hole` bytes behind the
    /// last one; without a segment, nothing does.
    pub fn move_headers_to_end(&mut self, hole: Option<u64>) {
        let (first, n) = (self.u64_at(32) as usize, self.n_headers());
        let mut headers = self.0[first..first + n * HEADER_BYTES].to_vec();
        let end = self.end_of_segments();
        let len = self.0.len().next_multiple_of(4096);
        self.0.resize(len, 0);
        if let Some(hole) = hole {
            let size = (headers.len() + HEADER_BYTES) as u64;
            headers.extend([PT_LOAD.to_le_bytes(), 4u32.to_le_bytes()].concat());
            for field in [len as u64, end + hole, end + hole, size, size, 4096] {
                headers.extend(field.to_le_bytes());
            }
        }
        self.put(32, len as u64);
        self.0[56..58].copy_from_slice(&((headers.len() / HEADER_BYTES) as u16).to_le_bytes());
        self.0.extend(headers);
    }

    /// The first page behind all segments.
    fn end_of_segments(&self) -> u64 {
        let ends = self.headers(PT_LOAD).into_iter().map(|at| {
            let field = |field: Field| self.u64_at(at + field as usize);
            field(Field::VirtualAddress).wrapping_add(field(Field::MemoryBytes)) & 0xffff_ffff
        });
        ends.max().expect("a library has segments").next_multiple_of(4096)
    }

    /// Damages one thing that says where others are. What it was.
    pub fn damage(&mut self, random: &mut Random) -> String {
        let awkward = [0, 1, 8, 0x40, 0xff8, 0x1000, 0x2000, 0x10_0000, 0x1000_0000, u64::MAX - 7];
        // What an earlier damage has left without headers is damaged enough.
        if [PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_GNU_EH_FRAME].iter().any(|&kind| self.headers(kind).is_empty()) {
            return "nothing".to_owned();
        }
        match random.below(11) {
            0 => {
                let hole = *random.of(&[None, Some(0), Some(1 << 20), Some(0x1000)]);
                self.move_headers_to_end(hole);
                format!("headers at the end, hole {hole:?}")
            }
            1 => {
                // What no loader reads: notes, tables, properties, the stack's mark.
                let kind = *random.of(&[PT_NOTE, PT_GNU_EH_FRAME, 0x6474_e553, 0x6474_e551]);
                let field =
                    *random.of(&[Field::Offset, Field::VirtualAddress, Field::FileBytes, Field::Align]);
                let distance = *random.of(&awkward);
                self.shift(kind, field, distance);
                format!("{field:?} of {kind:#x} by {distance:#x}")
            }
            2 => {
                let kind = *random.of(&[PT_NOTE, PT_GNU_EH_FRAME]);
                self.shift(kind, Field::MemoryBytes, *random.of(&awkward));
                format!("size of {kind:#x}")
            }
            3 => {
                let field =
                    *random.of(&[Field::Offset, Field::VirtualAddress, Field::FileBytes, Field::MemoryBytes]);
                let distance = *random.of(&awkward);
                let kind = *random.of(&[PT_LOAD, PT_DYNAMIC]);
                let headers = self.headers(kind);
                let at = *random.of(&headers) + field as usize;
                self.put(at, self.u64_at(at).wrapping_add(distance));
                format!("{field:?} of one {kind} by {distance:#x}")
            }
            4 => {
                let value = random.awkward();
                self.put(32, value);
                format!("e_phoff {value:#x}")
            }
            6..9 => self.damage_tables(random),
            9 => self.damage_dynamic(random),
            5 => {
                let len = self.0.len();
                let keep = len - random.below(len / 2);
                self.0.truncate(keep);
                format!("cut at {keep}")
            }
            _ => {
                // Inside of a note or of the table of tables, where its header says that it is.
                let kind = *random.of(&[PT_NOTE, PT_GNU_EH_FRAME]);
                let headers = self.headers(kind);
                let at = (self.u64_at(*random.of(&headers) + Field::Offset as usize) as usize)
                    .saturating_add(random.below(24));
                if let Some(byte) = self.0.get_mut(at) {
                    *byte = random.any() as u8;
                }
                format!("byte {at:#x}")
            }
        }
    }
}
