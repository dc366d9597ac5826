//! Where the recording of a process goes that may see other files than tmtool: the process makes it, so the path is one of its own.

use std::path::{Path, PathBuf};

use super::status::Status;
use crate::control::has_same_root;
use crate::errors::{Error, Result};
use tm_common::settings;

/// The value of `TM_OUT` for the process: what the user wants, else the working directory of tmtool, and where the process cannot
/// have that, its `/tmp`.
///
/// # Errors
/// The user's path means nothing to the process.
pub fn template(pid: u32, target: &Status, own: &Status, wanted: Option<&Path>) -> Result<PathBuf> {
    let here = std::env::current_dir()
        .map_err(|error| Error::io("find", Path::new("the working directory"), error))?;
    match wanted {
        Some(wanted) if wanted.is_absolute() => Ok(wanted.to_owned()),
        Some(wanted) if has_same_root(pid) => Ok(here.join(wanted)),
        Some(wanted) => Err(Error::Usage(format!(
            "process {pid} has a root folder or mounts of its own, where {} means nothing; give an absolute path as the process \
             sees it",
            wanted.display()
        ))),
        None if has_same_root(pid) && [own.user, 0].contains(&target.user) => {
            Ok(here.join(settings::OUT.default))
        }
        None => Ok(Path::new("/tmp").join(settings::OUT.default)),
    }
}
