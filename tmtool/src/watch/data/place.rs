//! Where a recording is, and whether it is still there.

use std::fs;
use std::io::ErrorKind;

use tm_analyzer::reader::file::{FileIdentity, identity};

/// The name of a recording that is open.
#[derive(Clone, Debug)]
pub struct Place {
    name: String,
    identity: FileIdentity,
    /// Whether the name led to it: that of another process may be one for that process alone.
    was_there: bool,
}

impl Place {
    /// The file `identity` is called `name`.
    pub fn new(name: &str, identity: FileIdentity) -> Place {
        let place = Place { name: name.to_owned(), identity, was_there: true };
        Place { was_there: place.is_there() == Ok(true), ..place }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user must know if the file is not there any more, as a sentence.
    pub fn note(&self) -> Option<String> {
        let name = &self.name;
        match self.is_there() {
            _ if !self.was_there => None,
            Ok(true) => None,
            Ok(false) => Some(format!("{name} is another file now; this is the one that was opened.")),
            Err(_) => Some(format!("{name} was moved or deleted; this is the file that was opened.")),
        }
    }

    /// Whether the name leads to it, if it leads to anything.
    fn is_there(&self) -> Result<bool, ErrorKind> {
        let found = fs::metadata(&self.name).map_err(|error| error.kind())?;
        Ok(identity(&found) == self.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_go_and_others_that_come_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let name = path.display().to_string();
        fs::write(&path, "one").unwrap();
        let found = identity(&fs::metadata(&path).unwrap());
        let place = Place::new(&name, found);
        assert_eq!(place.note(), None);
        assert!(Place::new("elsewhere", found).note().is_none());
        let other = folder.path().join("b.bin");
        fs::write(&other, "two").unwrap();
        fs::rename(other, &path).unwrap();
        assert!(
            place.note().unwrap().ends_with("a.bin is another file now; this is the one that was opened.")
        );
        fs::remove_file(&path).unwrap();
        assert!(place.note().unwrap().ends_with("was moved or deleted; this is the file that was opened."));
    }
}
