//! The one check before a command writes a file: it must not be the file that is being read.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::reader::file::identity;

/// Asks whether writing `output` would destroy `input`, under whatever name.
///
/// # Errors
/// It is the same file.
pub fn check_is_another(input: &Path, output: &Path) -> Result<()> {
    let found = |path: &Path| fs::metadata(path).ok().map(|status| identity(&status));
    match (found(input), found(output)) {
        (Some(input_file), Some(output_file)) if input_file == output_file => Err(Error::Usage(format!(
            "{} is the file that is read, and would be overwritten; choose another name for what is written",
            output.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_is_known_under_another_name() {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let (file, link) = (folder.path().join("a.bin"), folder.path().join("b.bin"));
        fs::write(&file, "x").expect("as above");
        fs::hard_link(&file, &link).expect("as above");
        assert!(check_is_another(&file, &link).is_err());
        assert!(check_is_another(&file, &folder.path().join("new.snap")).is_ok());
    }
}
