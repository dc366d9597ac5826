//! The files of a recording in a folder that other recordings have theirs in: all are put in their places at the end, or none
//! is. What is there and not ours stays.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::errors::{Error, Result};

/// The tables, in the order in which they are put in their places: what tells of a recording comes last.
pub const TABLES: [&str; 4] = ["blocks", "stacks", "frames", "meta"];

/// The entry of a file's metadata that says of which recording it is.
pub const RUN_KEY: &str = "tm.run";

/// The files that are being written. Whatever was not put in its place is gone with this.
pub struct Folder {
    /// For each table: what is written, and where it belongs.
    files: [(PathBuf, PathBuf); 4],
    /// The folders that were made for it, outermost first.
    made: Vec<PathBuf>,
    is_done: bool,
}

impl Folder {
    /// Asks whether tables may be put into `path` under `name`, and makes its folders.
    ///
    /// # Errors
    /// It is no folder, or has what is not ours.
    pub fn new(path: &Path, name: &str) -> Result<Folder> {
        check(path)?;
        let files = TABLES.map(|table| {
            let folder = path.join(table);
            (
                folder.join(format!(".{name}.{}.tmp", std::process::id())),
                folder.join(format!("{name}.parquet")),
            )
        });
        for (_, place) in &files {
            check_is_ours(place)?;
        }
        let mut folder = Folder { files, made: Vec::new(), is_done: false };
        for made in std::iter::once(path.to_owned()).chain(TABLES.map(|table| path.join(table))) {
            match fs::create_dir(&made) {
                Ok(()) => folder.made.push(made),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &made, error)),
            }
        }
        Ok(folder)
    }

    /// Begins the file of the table with this place in [`TABLES`].
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&self, table: usize) -> Result<File> {
        let (written, _) = &self.files[table];
        File::create(written).map_err(|error| Error::io("create", written, error))
    }

    /// Puts all files in their places.
    ///
    /// # Errors
    /// One cannot be put there.
    pub fn finish(mut self) -> Result<()> {
        for (written, place) in &self.files {
            let synced = File::open(written).and_then(|file| file.sync_all());
            synced.map_err(|error| Error::io("write", place, error))?;
        }
        for (written, place) in &self.files {
            fs::rename(written, place).map_err(|error| Error::io("write", place, error))?;
        }
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_done {
            // What cannot be removed was not made, or is somebody else's business.
            self.files.iter().for_each(|(written, _)| drop(fs::remove_file(written)));
            self.made.iter().rev().for_each(|made| drop(fs::remove_dir(made)));
        }
    }
}

/// # Errors
/// `path` is a file, or a folder that has something but no tables.
fn check(path: &Path) -> Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let what = format!("{} is a file, and tables are written into a folder", path.display());
            return Err(Error::Usage(format!("{what}; name a folder with -o")));
        }
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let has_tables = TABLES.iter().all(|table| path.join(table).is_dir());
    if !has_tables && entries.count() > 0 {
        let what = format!("{} is a folder with other things in it", path.display());
        return Err(Error::Usage(format!("{what}; name a new folder, or one that has tables already")));
    }
    Ok(())
}

/// # Errors
/// There is a file at `place` that is not the same table of a recording.
fn check_is_ours(place: &Path) -> Result<()> {
    if fs::symlink_metadata(place).is_err() {
        return Ok(());
    }
    let reader = SerializedFileReader::try_from(place).ok();
    let is_ours = reader.is_some_and(|reader| {
        let entries = reader.metadata().file_metadata().key_value_metadata();
        entries.is_some_and(|entries| entries.iter().any(|entry| entry.key == RUN_KEY))
    });
    if is_ours {
        return Ok(());
    }
    let what = format!("{} is there and no table of a recording", place.display());
    Err(Error::Usage(format!("{what}, and would be overwritten; choose another folder with -o")))
}

#[cfg(test)]
mod tests {
    use super::super::table::{Column, Kind, REQUIRED, Table};
    use super::*;

    const COLUMNS: &[Column] = &[("run", Kind::Integer, REQUIRED)];

    fn names(path: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let inner = fs::read_dir(entry.path()).into_iter().flatten().flatten();
            names.push(entry.file_name().into_string().unwrap());
            names.extend(inner.map(|entry| entry.file_name().into_string().unwrap()));
        }
        names.sort();
        names
    }

    fn written(path: &Path, name: &str) -> Result<Folder> {
        let folder = Folder::new(path, name)?;
        for table in 0..TABLES.len() {
            let file = folder.create(table)?;
            let table = Table::new(file, COLUMNS, &[(RUN_KEY, "1".to_owned())]);
            table.and_then(Table::finish).unwrap();
        }
        Ok(folder)
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("tables");
        drop(written(&path, "a").unwrap());
        assert!(!path.exists());
        written(&path, "a").unwrap().finish().unwrap();
        drop(written(&path, "b").unwrap());
        assert_eq!(
            names(&path),
            ["a.parquet", "a.parquet", "a.parquet", "a.parquet", "blocks", "frames", "meta", "stacks"]
        );
        written(&path, "b").unwrap().finish().unwrap();
        written(&path, "a").unwrap().finish().unwrap();
        assert_eq!(names(&path).len(), 12);
    }

    #[test]
    fn what_is_not_ours_stays() {
        let parent = tempfile::tempdir().unwrap();
        let refused = |path: &Path| written(path, "a").err().unwrap().to_string();
        let file = parent.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(refused(&file).contains("is a file"), "{}", refused(&file));
        assert!(refused(parent.path()).contains("other things"));
        let path = parent.path().join("tables");
        written(&path, "a").unwrap().finish().unwrap();
        fs::write(path.join("stacks/a.parquet"), "x").unwrap();
        assert!(refused(&path).contains("no table of a recording"));
        assert_eq!(fs::read(path.join("stacks/a.parquet")).unwrap(), b"x");
    }
}
