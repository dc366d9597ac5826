//! Parts of debug information in files of their own (`-gsplit-dwarf`): `.dwo` files, or one `.dwp` file with all of them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use addr2line::SplitDwarfLoad;
use gimli::{Dwarf, DwarfPackage, EndianSlice, LittleEndian};

use super::attempt::{Attempt, Holds, Outcome, Source};
use super::debug_file::{Bytes, part_section};
use super::search::Search;
use super::storage::Storage;

/// More places than this are not remembered: a program may have tens of thousands of parts.
const ATTEMPTS_MAX: usize = 1000;

/// Where parts are looked for.
#[derive(Clone, Debug, Default)]
pub(super) struct PartPlaces {
    /// The files that they are parts of: the one with the debug information, and the program.
    pub of: Vec<PathBuf>,
    /// The user's places.
    pub search: Arc<Search>,
}

/// The parts of one file.
pub(super) struct Parts<'a> {
    places: PartPlaces,
    /// The file with all parts, once it was looked for.
    package: Option<Option<DwarfPackage<Bytes<'a>>>>,
    attempts: Vec<Attempt>,
    n_wanted: usize,
    n_gone: usize,
}

/// What a part is of.
const PART: Holds =
    Holds { debug_information: true, symbols: false, exported_symbols: false, mini_debug_info: false };

impl<'a> Parts<'a> {
    pub(super) fn new(places: PartPlaces) -> Parts<'a> {
        Parts { places, package: None, attempts: Vec::new(), n_wanted: 0, n_gone: 0 }
    }

    /// Where was looked so far.
    pub(super) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// How many were wanted so far, and of these how many are gone.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.n_wanted, self.n_gone)
    }

    /// The part that is wanted.
    pub(super) fn load(
        &mut self,
        load: &SplitDwarfLoad<Bytes<'a>>,
        storage: &'a Storage,
    ) -> Option<Arc<Dwarf<Bytes<'a>>>> {
        self.n_wanted += 1;
        let found = self.of_package(load, storage).or_else(|| self.of_file(load, storage));
        self.n_gone += usize::from(found.is_none());
        found
    }

    fn of_package(
        &mut self,
        load: &SplitDwarfLoad<Bytes<'a>>,
        storage: &'a Storage,
    ) -> Option<Arc<Dwarf<Bytes<'a>>>> {
        if self.package.is_none() {
            let found = self.places.packages().into_iter().find_map(|path| {
                let opened = open_package(&path, storage);
                self.note(path, opened)
            });
            self.package = Some(found);
        }
        let package = self.package.as_ref()?.as_ref()?;
        package.find_cu(load.dwo_id, &load.parent).ok().flatten().map(Arc::new)
    }

    fn of_file(
        &mut self,
        load: &SplitDwarfLoad<Bytes<'a>>,
        storage: &'a Storage,
    ) -> Option<Arc<Dwarf<Bytes<'a>>>> {
        let path = |bytes: &Bytes<'a>| PathBuf::from(OsStr::from_bytes(bytes.slice()));
        let name = load.comp_dir.as_ref().map(path).unwrap_or_default().join(load.path.as_ref().map(path)?);
        self.places.files(&name).into_iter().find_map(|path| {
            let opened = open_part(&path, load, storage);
            self.note(path, opened)
        })
    }

    fn note<T>(&mut self, path: PathBuf, opened: Result<T, Outcome>) -> Option<T> {
        let (outcome, opened) = match opened {
            Ok(opened) => (Outcome::Used(PART), Some(opened)),
            Err(outcome) => (outcome, None),
        };
        if self.attempts.len() < ATTEMPTS_MAX {
            self.attempts.push(Attempt { source: Source::Part, path, outcome });
        }
        opened
    }
}

impl PartPlaces {
    /// Where a file with all parts may be.
    fn packages(&self) -> Vec<PathBuf> {
        let mut places = Vec::new();
        let with_ending = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".dwp");
            PathBuf::from(name)
        };
        for path in &self.of {
            places.push(with_ending(path));
            places.extend(path.canonicalize().ok().map(|real| with_ending(&real)));
        }
        let names: Vec<PathBuf> =
            self.of.iter().filter_map(|path| path.file_name()).map(PathBuf::from).collect();
        let folders = self.search.debug_folders.iter();
        places.extend(folders.flat_map(|folder| names.iter().map(|name| with_ending(&folder.join(name)))));
        distinct(places)
    }

    /// Where the part `name` may be, a path of the machine that compiled it.
    fn files(&self, name: &Path) -> Vec<PathBuf> {
        let beside = || self.of.iter().filter_map(|path| path.parent());
        let mut places = Vec::new();
        match name.is_absolute() {
            true => places.push(self.search.place(name)),
            // Compilers that are to hide the folder leave it out.
            false => places.extend(beside().map(|folder| folder.join(name))),
        }
        let Some(last) = name.file_name() else { return places };
        places.extend(beside().map(|folder| folder.join(last)));
        for folder in &self.search.debug_folders {
            places.push(folder.join(name.strip_prefix("/").unwrap_or(name)));
            places.push(folder.join(last));
        }
        distinct(places)
    }
}

/// Each once, in their order.
fn distinct(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut distinct: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !distinct.contains(&path) {
            distinct.push(path);
        }
    }
    distinct
}

fn open<'a>(path: &Path, storage: &'a Storage) -> Result<object::File<'a>, Outcome> {
    let bytes = storage.map(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Outcome::Missing,
        _ => Outcome::Unreadable(error.to_string()),
    })?;
    object::File::parse(bytes).map_err(|error| Outcome::Unreadable(error.to_string()))
}

fn open_package<'a>(path: &Path, storage: &'a Storage) -> Result<DwarfPackage<Bytes<'a>>, Outcome> {
    let object = open(path, storage)?;
    let empty = EndianSlice::new(&[][..], LittleEndian);
    let section = |id| part_section(&object, id, storage).map_err(|_| gimli::Error::Io);
    DwarfPackage::load(section, empty).map_err(|error| Outcome::Unreadable(error.to_string()))
}

fn open_part<'a>(
    path: &Path,
    load: &SplitDwarfLoad<Bytes<'a>>,
    storage: &'a Storage,
) -> Result<Arc<Dwarf<Bytes<'a>>>, Outcome> {
    let object = open(path, storage)?;
    let unreadable = |error: String| Outcome::Unreadable(error);
    let mut part = Dwarf::load(|id| part_section(&object, id, storage))
        .map_err(|error| unreadable(error.to_string()))?;
    match has_unit(&part, load.dwo_id) {
        Ok(true) => {}
        Ok(false) => return Err(Outcome::Other("it is a part of another build".to_owned())),
        Err(error) => return Err(unreadable(error.to_string())),
    }
    part.make_dwo(&load.parent);
    Ok(Arc::new(part))
}

fn has_unit(part: &Dwarf<Bytes<'_>>, id: gimli::DwoId) -> gimli::Result<bool> {
    let mut units = part.units();
    while let Some(header) = units.next()? {
        if part.unit(header)?.dwo_id == Some(id) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_looked_for_where_they_were_made_and_beside_what_they_are_of() {
        let search = Search { debug_folders: vec!["/d".into()], ..Search::default() };
        let places = PartPlaces { of: vec!["/x/prog.debug".into(), "/y/prog".into()], search: search.into() };
        let text =
            |paths: Vec<PathBuf>| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            text(places.packages()),
            ["/x/prog.debug.dwp", "/y/prog.dwp", "/d/prog.debug.dwp", "/d/prog.dwp"]
        );
        assert_eq!(
            text(places.files(Path::new("/build/src/a.dwo"))),
            ["/build/src/a.dwo", "/x/a.dwo", "/y/a.dwo", "/d/build/src/a.dwo", "/d/a.dwo"]
        );
        assert_eq!(
            text(places.files(Path::new("./o/a.dwo"))),
            ["/x/./o/a.dwo", "/y/./o/a.dwo", "/x/a.dwo", "/y/a.dwo", "/d/./o/a.dwo", "/d/a.dwo"]
        );
    }
}
