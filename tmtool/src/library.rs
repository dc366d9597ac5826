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

/// Where it may be, from the folder of tmtool: what was built or unpacked into one folder, a prefix such as `/usr/local`, Debian's
/// folder of libraries.
const PLACES: [&str; 3] = ["", "lib", DEBIAN];
const DEBIAN: &str =
    if cfg!(target_arch = "aarch64") { "lib/aarch64-linux-gnu" } else { "lib/x86_64-linux-gnu" };

/// The library that belongs to the tmtool `executable`.
fn beside(executable: &Path) -> Result<PathBuf> {
    let folder = executable.parent().unwrap_or(Path::new("/"));
    let prefix = folder.parent().unwrap_or(folder);
    let folders = PLACES.map(|place| if place.is_empty() { folder.to_owned() } else { prefix.join(place) });
    let paths = folders.iter().map(|folder| folder.join(LIBRARY));
    paths.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let [beside, lib, debian] = folders.each_ref().map(|folder| folder.display());
        Error::Message(format!(
            "there is no {LIBRARY} in {beside}, {lib} or {debian} (cargo install brings tmtool alone): in tm's source folder, \
             cargo build --release -p tm-preload -p tm-query, then copy target/release/libtm*.so to one of these"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_library_is_found_in_all_layouts() {
        let root = tempfile::tempdir().unwrap();
        let (bin, lib) = (root.path().join("bin"), root.path().join("lib"));
        let debian = root.path().join(DEBIAN);
        let executable = bin.join("tmtool");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&debian).unwrap();
        let refused = beside(&executable).unwrap_err().to_string();
        for folder in [&bin, &lib, &debian] {
            assert!(refused.contains(&folder.display().to_string()), "{refused}");
        }
        assert!(refused.contains("-p tm-preload"), "{refused}");
        fs::write(debian.join(LIBRARY), "").unwrap();
        assert_eq!(beside(&executable).unwrap(), debian.join(LIBRARY));
        fs::write(lib.join(LIBRARY), "").unwrap();
        assert_eq!(beside(&executable).unwrap(), lib.join(LIBRARY));
        fs::write(bin.join(LIBRARY), "").unwrap();
        assert_eq!(beside(&executable).unwrap(), bin.join(LIBRARY));
    }
}
