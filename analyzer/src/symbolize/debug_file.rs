//! A file with symbols and DWARF, opened: frames by address, with the parts of the debug information that stand in files of their
//! own (`parts`).

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use addr2line::{Context, FrameIter, LookupContinuation, LookupResult};
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::read::{Object, ObjectSection};
use object::{SymbolMap, SymbolMapName};

use super::attempt::Attempt;
use super::parts::{PartPlaces, Parts};
use super::storage::Storage;

/// Contents of sections.
pub(super) type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// An opened file.
pub(super) struct DebugFile {
    // What refers to the contents goes first.
    context: Context<Bytes<'static>>,
    dwarf: Arc<Dwarf<Bytes<'static>>>,
    symbols: SymbolMap<SymbolMapName<'static>>,
    parts: RefCell<Parts<'static>>,
    storage: Box<Storage>,
}

/// The storage of a [`DebugFile`], for what is kept beside it.
fn forever(storage: &Storage) -> &'static Storage {
    let storage: *const Storage = storage;
    // SAFETY: what is read with this lifetime is kept beside the storage in one value, goes before it, and is lent out for as
    // long as that is borrowed. The storage does not move with its box.
    unsafe { &*storage }
}

/// What is read of a file, with the contents somewhere else.
type Read<'a> = (Context<Bytes<'a>>, Arc<Dwarf<Bytes<'a>>>, SymbolMap<SymbolMapName<'a>>);

impl DebugFile {
    /// Opens the file at `path`, and what it refers to (`.gnu_debugaltlink`); its parts are looked for at `places` once they are wanted.
    ///
    /// # Errors
    /// It cannot be read, and why.
    pub(super) fn open(
        path: &Path,
        supplement: Option<&Path>,
        places: PartPlaces,
    ) -> Result<DebugFile, String> {
        let storage = Box::new(Storage::default());
        let (context, dwarf, symbols) = read(path, supplement, forever(&storage))?;
        Ok(DebugFile { context, dwarf, symbols, parts: RefCell::new(Parts::new(places)), storage })
    }

    /// The frames at `offset`, the most inlined function first.
    ///
    /// # Errors
    /// The debug information is damaged there.
    pub(super) fn frames(&self, offset: u64) -> gimli::Result<FrameIter<'_, Bytes<'static>>> {
        let mut frames = self.context.find_frames(offset);
        loop {
            let (load, continuation) = match frames {
                LookupResult::Output(output) => return output,
                LookupResult::Load { load, continuation } => (load, continuation),
            };
            let part = self.parts.borrow_mut().load(&load, forever(&self.storage));
            frames = continuation.resume(part);
        }
    }

    /// The symbol of the function at `offset`.
    pub(super) fn symbol(&self, offset: u64) -> Option<&str> {
        self.symbols.containing(offset).map(|symbol| symbol.name())
    }

    /// Its DWARF.
    pub(super) fn dwarf(&self) -> &Dwarf<Bytes<'_>> {
        &self.dwarf
    }

    /// Where parts were looked for so far.
    pub(super) fn part_attempts(&self) -> Vec<Attempt> {
        self.parts.borrow().attempts().to_vec()
    }

    /// How many parts were wanted so far, and of these how many are gone.
    pub(super) fn n_parts(&self) -> (usize, usize) {
        self.parts.borrow().counts()
    }
}

fn read<'a>(path: &Path, supplement: Option<&Path>, storage: &'a Storage) -> Result<Read<'a>, String> {
    let parse = |path: &Path| -> Result<object::File<'a>, String> {
        let bytes = storage.map(path).map_err(|error| error.to_string())?;
        object::File::parse(bytes).map_err(|error| error.to_string())
    };
    let object = parse(path)?;
    if !object.is_little_endian() {
        return Err("its bytes are in the order of another processor".to_owned());
    }
    let mut dwarf =
        Dwarf::load(|id| section(&object, Some(id.name()), storage)).map_err(|error| error.to_string())?;
    if let Some(supplement) = supplement {
        let supplement = parse(supplement)?;
        dwarf
            .load_sup(|id| section(&supplement, Some(id.name()), storage))
            .map_err(|error| error.to_string())?;
    }
    dwarf.populate_abbreviations_cache(gimli::AbbreviationsCacheStrategy::Duplicates);
    let dwarf = Arc::new(dwarf);
    let context = Context::from_arc_dwarf(Arc::clone(&dwarf)).map_err(|error| error.to_string())?;
    Ok((context, dwarf, object.symbol_map()))
}

/// The contents of a section, unpacked; nothing if there is none.
///
/// # Errors
/// They cannot be unpacked.
pub(super) fn section<'a>(
    object: &object::File<'a>,
    name: Option<&str>,
    storage: &'a Storage,
) -> object::Result<Bytes<'a>> {
    let section = name.and_then(|name| object.section_by_name(name));
    let bytes = match section.map(|section| section.uncompressed_data()).transpose()? {
        Some(std::borrow::Cow::Borrowed(bytes)) => bytes,
        Some(std::borrow::Cow::Owned(bytes)) => storage.bytes(bytes),
        None => &[],
    };
    Ok(EndianSlice::new(bytes, LittleEndian))
}

/// The contents of a section of a file with parts.
///
/// # Errors
/// They cannot be unpacked.
pub(super) fn part_section<'a>(
    object: &object::File<'a>,
    id: SectionId,
    storage: &'a Storage,
) -> object::Result<Bytes<'a>> {
    section(object, id.dwo_name(), storage)
}
