//! What the program finds in its environment: the preloaded library, the recording's name, the number of the run.

use std::collections::hash_map::RandomState;
use std::env;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::errors::{Error, Result};
use crate::library;
use tm_common::sampling::SampleRate;
use tm_common::settings;

/// The variables of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Environment {
    /// The value of `LD_PRELOAD`.
    pub preload: OsString,
    /// The value of `TM_OUT`.
    pub output: PathBuf,
    /// The value of `TM_RUN`, not 0.
    pub run: u64,
    /// `TM_PYTHON_OBJECTS` is to be 1, whatever it is.
    pub python_objects: bool,
    /// What `TM_SAMPLE` is to be, whatever it is.
    pub sample_rate: Option<SampleRate>,
    /// The most bytes of a recording.
    pub limit: Option<u64>,
    /// The user has set `TM_DISABLE`.
    pub is_disabled: bool,
}

impl Environment {
    /// From our own environment, for recordings by the template `output`.
    ///
    /// # Errors
    /// If there is no library, or its path cannot be used.
    pub(super) fn build(
        output: PathBuf,
        python_objects: bool,
        sample_rate: Option<SampleRate>,
        limit: Option<u64>,
    ) -> Result<Environment> {
        let library = library::find()?;
        Ok(Environment {
            preload: preload_value(&library, env::var_os("LD_PRELOAD").as_deref())?,
            output,
            run: random_number(),
            python_objects,
            sample_rate,
            limit,
            is_disabled: env::var_os(settings::DISABLE.name).is_some_and(|value| value == "1"),
        })
    }

    /// Whether the recordings have a limit, by an option or by the user's environment.
    pub(super) fn is_limited(&self) -> bool {
        let set = || env::var_os(settings::LIMIT.name);
        let set = || set().and_then(|value| settings::parse_limit(value.as_encoded_bytes()));
        self.limit.or_else(set).is_some_and(|bytes| bytes > 0)
    }

    /// The variables and their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let variables = [
            ("LD_PRELOAD", self.preload.clone()),
            (settings::OUT.name, self.output.clone().into()),
            (settings::RUN.name, self.run.to_string().into()),
        ];
        let python = self.python_objects.then(|| (settings::PYTHON_OBJECTS.name, "1".into()));
        let sample =
            self.sample_rate.map(|rate| (settings::SAMPLE.name, rate.mean_bytes().to_string().into()));
        let limit = self.limit.map(|bytes| (settings::LIMIT.name, bytes.to_string().into()));
        variables.into_iter().chain(python).chain(sample).chain(limit)
    }
}

/// `library` before what was preloaded already. The loader splits the value at spaces and colons and knows no quotes.
fn preload_value(library: &Path, existing: Option<&OsStr>) -> Result<OsString> {
    if library.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b' ' | b':')) {
        return Err(Error::Message(format!(
            "{} cannot be preloaded because its path has a space or a colon; move it to a path without them",
            library.display()
        )));
    }
    let mut value = library.as_os_str().to_owned();
    if let Some(existing) = existing.filter(|existing| !existing.is_empty()) {
        value.push(":");
        value.push(existing);
    }
    Ok(value)
}

/// Not 0, and different each time: the standard library's hash keys come from the system's random numbers.
fn random_number() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_comes_first() {
        let value =
            |existing: Option<&str>| preload_value(Path::new("/x/libtm.so"), existing.map(OsStr::new));
        assert_eq!(value(None).unwrap(), "/x/libtm.so");
        assert_eq!(value(Some("")).unwrap(), "/x/libtm.so");
        assert_eq!(value(Some("/a.so /b.so")).unwrap(), "/x/libtm.so:/a.so /b.so");
        for path in ["/a b/libtm.so", "/a:b/libtm.so"] {
            assert!(
                preload_value(Path::new(path), None).unwrap_err().to_string().contains("space or a colon")
            );
        }
    }

    #[test]
    fn runs_have_different_numbers() {
        let (first, second) = (random_number(), random_number());
        assert!(first != second && first != 0 && second != 0);
    }
}
