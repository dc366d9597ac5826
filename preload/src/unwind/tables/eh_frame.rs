//! Finds the unwind table entry (FDE) of an address: by `.eh_frame_hdr`'s sorted table, or where that has none one entry
//! after the other; then the entry and its CIE.
//!
//! LSB Core, "Exception Frames". Nothing is evaluated here; see [`super::cfi`].

use core::ops::Range;

use super::bytes::Bytes;
use super::dwarf as dw;

/// What a CIE and an FDE say of the code they cover.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The first address that the entry covers.
    pub start: usize,
    /// The number of bytes that it covers.
    pub len: usize,
    /// Instructions for all entries of the CIE, ...
    pub common: Bytes,
    /// ... and for this one.
    pub own: Bytes,
    /// What `advance_loc` counts.
    pub code_alignment: u64,
    /// What factored offsets count.
    pub data_alignment: i64,
    /// The column of the return address.
    pub return_address: u64,
    /// Augmentation `S`: a handler returns through this code, or it goes over to another stack and debuggers are not to take
    /// that for an error (OCaml 5).
    pub is_signal_frame: bool,
    /// The encoding of pointers in the instructions (`set_loc`).
    pub pointer_encoding: u8,
}

impl Entry {
    /// Returns the addresses that the entry covers.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.len)
    }

    fn covers(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.len
    }
}

/// Returns the entry that covers `address`, by the `.eh_frame_hdr` at `header`, around which `tables` can be read.
#[inline(never)]
pub fn find(tables: Range<usize>, header: usize, address: usize) -> Option<Entry> {
    // SAFETY: the module's segments are mapped while a frame of it is on the stack.
    let mut all = unsafe { Bytes::new(tables) };
    all.seek(header)?;
    let mut table = all;
    let [version, frame_encoding, count_encoding, table_encoding] = table.value::<u32>()?.to_le_bytes();
    if version != 1 {
        return None;
    }
    let first_entry = table.pointer(frame_encoding, header)?;
    let sorted = dw::DW_EH_PE_datarel | dw::DW_EH_PE_sdata4;
    if count_encoding == dw::DW_EH_PE_omit || table_encoding != sorted {
        all.seek(first_entry)?;
        return scan(all, address);
    }
    let n_entries = table.pointer(count_encoding, header)?;
    all.seek(search(table, n_entries, header, address)?)?;
    parse_entry(all).filter(|entry| entry.covers(address))
}

/// Returns the entry that covers `address`, of those from the cursor on, up to the one of length 0 that ends `.eh_frame`.
pub fn scan(all: Bytes, address: usize) -> Option<Entry> {
    entries(all).find(|entry| entry.covers(address))
}

/// Returns all entries from the cursor on, up to the one of length 0.
pub fn entries(mut all: Bytes) -> impl Iterator<Item = Entry> {
    core::iter::from_fn(move || {
        loop {
            let (this, mut rest) = (all, all);
            let mut body = parse_length(&mut rest)?;
            // Of a CIE, 0 stands where an FDE has the distance to its CIE.
            let is_common = body.value::<u32>()? == 0;
            all = rest;
            if let Some(entry) = parse_entry(this).filter(|_| !is_common) {
                return Some(entry);
            }
        }
    })
}

/// Returns the address of the last entry that starts at or before `address`, by binary search in the pairs at the cursor.
fn search(table: Bytes, n_entries: usize, header: usize, address: usize) -> Option<usize> {
    let first = table.position();
    let pair = |index: usize| {
        let mut table = table;
        table.seek(first.checked_add(index.checked_mul(8)?)?)?;
        let (start, entry) = (table.value::<i32>()?, table.value::<i32>()?);
        Some((header.wrapping_add_signed(start as isize), header.wrapping_add_signed(entry as isize)))
    };
    let (mut low, mut high) = (0, n_entries);
    while low < high {
        let middle = low + (high - low) / 2;
        if pair(middle)?.0 <= address { low = middle + 1 } else { high = middle }
    }
    Some(pair(low.checked_sub(1)?)?.1)
}

/// Returns the length word and, for an FDE, where its CIE is.
fn parse_length(bytes: &mut Bytes) -> Option<Bytes> {
    let len = match bytes.value::<u32>()? {
        u32::MAX => usize::try_from(bytes.value::<u64>()?).ok()?,
        len => len as usize,
    };
    bytes.split(len)
}

fn parse_entry(all: Bytes) -> Option<Entry> {
    let mut rest = all;
    let mut body = parse_length(&mut rest)?;
    let pointer_at = body.position();
    let distance = body.value::<u32>()? as usize;
    let mut common = all_before(all, pointer_at.checked_sub(distance)?)?;
    let cie = parse_common(parse_length(&mut common)?)?;
    let start = body.pointer(cie.pointer_encoding, 0)?;
    let len = body.pointer(cie.pointer_encoding & 0x0f, 0)?;
    if cie.has_augmentation_data {
        let len = body.uleb()? as usize;
        body.split(len)?;
    }
    Some(Entry {
        start,
        len,
        common: cie.instructions,
        own: body,
        code_alignment: cie.code_alignment,
        data_alignment: cie.data_alignment,
        return_address: cie.return_address,
        is_signal_frame: cie.is_signal_frame,
        pointer_encoding: cie.pointer_encoding,
    })
}

/// Returns the same mapping, from an earlier address on: a CIE precedes its FDEs.
fn all_before(mut all: Bytes, at: usize) -> Option<Bytes> {
    (at <= all.position()).then(|| all.seek(at))??;
    Some(all)
}

struct Common {
    instructions: Bytes,
    code_alignment: u64,
    data_alignment: i64,
    return_address: u64,
    is_signal_frame: bool,
    pointer_encoding: u8,
    has_augmentation_data: bool,
}

fn parse_common(mut body: Bytes) -> Option<Common> {
    if body.value::<u32>()? != 0 {
        return None;
    }
    let version = body.byte()?;
    let augmentation = parse_string(&mut body)?;
    let code_alignment = body.uleb()?;
    let data_alignment = body.sleb()?;
    let return_address = if version == 1 { u64::from(body.byte()?) } else { body.uleb()? };
    let mut common = Common {
        instructions: Bytes::EMPTY,
        code_alignment,
        data_alignment,
        return_address,
        is_signal_frame: false,
        pointer_encoding: dw::DW_EH_PE_absptr,
        has_augmentation_data: false,
    };
    parse_augmentation(augmentation, &mut body, &mut common)?;
    common.instructions = body;
    Some(common)
}

fn parse_string(body: &mut Bytes) -> Option<Bytes> {
    let mut rest = *body;
    let mut len = 0;
    while rest.byte()? != 0 {
        len += 1;
    }
    let string = body.split(len);
    body.split(1)?;
    string
}

fn parse_augmentation(mut letters: Bytes, body: &mut Bytes, common: &mut Common) -> Option<()> {
    if letters.remaining() == 0 {
        return Some(());
    }
    if letters.byte()? != b'z' {
        return None;
    }
    common.has_augmentation_data = true;
    let len = body.uleb()? as usize;
    let mut data = body.split(len)?;
    while letters.remaining() > 0 {
        match letters.byte()? {
            b'R' => common.pointer_encoding = data.byte()?,
            b'P' => {
                let encoding = data.byte()? & !dw::DW_EH_PE_indirect;
                data.pointer(encoding, 0)?;
            }
            b'L' => drop(data.byte()?),
            b'S' => common.is_signal_frame = true,
            // 'B': return addresses are signed with the other key (aarch64), which stripping does not care about.
            b'B' => {}
            _ => return None,
        }
    }
    Some(())
}
