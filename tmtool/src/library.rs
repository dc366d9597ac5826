//! Where `libtm.so` is: what `run` preloads, and `attach` brings.

use std::env;
use std::path::{Path, PathBuf};

use crate::errors::{Error, Result};

/// Its file name.
pub const LIBRARY: &str = "libtm.so";

/// The library that goes with this tmtool.
///
/// # Errors
/// There is none.
pub fn find() -> Result<PathBuf> {
    let executable =
        env::current_exe().map_err(|error| Error::io("find", Path::new("tmtool's own file"), error))?;
    beside(&executable)
}

/// The library beside the tmtool `executable`, or in the `lib` folder beside its folder.
fn beside(executable: &Path) -> Result<PathBuf> {
    let folder = executable.parent().unwrap_or(Path::new("/"));
    let places = [Some(folder.join(LIBRARY)), folder.parent().map(|parent| parent.join("lib").join(LIBRARY))];
    places.into_iter().flatten().find(|path| path.is_file()).ok_or_else(|| {
        Error::Message(format!(
            "there is no {LIBRARY} in {} or its sibling folder lib; build it (cargo build --release) or copy it there",
            folder.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_library_is_beside_or_in_lib() {
        let root = tempfile::tempdir().unwrap();
        let (bin, lib) = (root.path().join("bin"), root.path().join("lib"));
        let executable = bin.join("tmtool");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&lib).unwrap();
        assert!(beside(&executable).unwrap_err().to_string().starts_with("there is no libtm.so in "));
        fs::write(lib.join(LIBRARY), "").unwrap();
        assert_eq!(beside(&executable).unwrap(), lib.join(LIBRARY));
        fs::write(bin.join(LIBRARY), "").unwrap();
        assert_eq!(beside(&executable).unwrap(), bin.join(LIBRARY));
    }
}
