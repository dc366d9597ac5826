//! Where names are looked for, as the command line, the environment and the file of settings say it, in that order.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::fetching;
use super::given::{Given, Giver};
use crate::errors::{Error, Result};
use crate::report::symbols::Setting;
use tm_analyzer::symbolize::Search;

/// What one of them says, or all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchSettings {
    /// Folders with debug information.
    pub debug_folders: Option<Given<Vec<PathBuf>>>,
    /// The folder that stands for the root folder of the machine that recorded.
    pub sysroot: Option<Given<PathBuf>>,
    /// What the beginnings of paths are here.
    pub maps: Option<Given<Vec<(PathBuf, PathBuf)>>>,
    /// Whether servers are asked for debug information.
    pub debuginfod: Option<Given<bool>>,
}

impl SearchSettings {
    /// What the environment says.
    ///
    /// # Errors
    /// One of its variables says nothing that is meant so.
    pub fn of_environment() -> Result<SearchSettings> {
        let sysroot = variable("TMTOOL_SYSROOT").map(|given| given.map(PathBuf::from));
        let maps = variable("TMTOOL_MAP").map(|given| {
            let maps = listed(&given.value).iter().map(|word| map(word)).collect::<Result<Vec<_>>>();
            maps.map(|value| Given { value, by: given.by.clone() })
                .map_err(|error| said_by(&given.by, &error))
        });
        let debuginfod = variable("TMTOOL_DEBUGINFOD").map(|given| {
            let value = truth(&given.value.to_string_lossy());
            value
                .map(|value| Given { value, by: given.by.clone() })
                .map_err(|error| said_by(&given.by, &error))
        });
        let folders = |value: OsString| listed(&value).into_iter().map(PathBuf::from).collect();
        Ok(SearchSettings {
            debug_folders: variable("TMTOOL_DEBUG_DIR").map(|given| given.map(folders)),
            sysroot,
            maps: maps.transpose()?,
            debuginfod: debuginfod.transpose()?,
        })
    }

    /// What this says, and where it says nothing, the other.
    #[must_use]
    pub fn or(self, other: SearchSettings) -> SearchSettings {
        SearchSettings {
            debug_folders: self.debug_folders.or(other.debug_folders),
            sysroot: self.sysroot.or(other.sysroot),
            maps: self.maps.or(other.maps),
            debuginfod: self.debuginfod.or(other.debuginfod),
        }
    }

    /// The places.
    ///
    /// # Errors
    /// One of them is no folder.
    pub fn search(&self) -> Result<Search> {
        if let Some(given) = &self.debug_folders {
            given.value.iter().try_for_each(|folder| check_is_folder(folder, &given.by, "--debug-dir"))?;
        }
        if let Some(given) = &self.sysroot {
            check_is_folder(&given.value, &given.by, "--sysroot")?;
        }
        let is_to_fetch = self.debuginfod.as_ref().is_some_and(|given| given.value);
        Ok(Search {
            debug_folders: value(&self.debug_folders),
            caches: cache().into_iter().collect(),
            held: Vec::new(),
            dump_folders: dump_folders(),
            debuginfod: is_to_fetch.then(fetching::servers),
            sysroot: self.sysroot.as_ref().map(|given| given.value.clone()),
            maps: value(&self.maps),
        })
    }

    /// What is set, with what says so.
    pub fn list(&self) -> Vec<Setting> {
        let mut list = Vec::new();
        let mut add =
            |name, value: String, by: &Giver| list.push(Setting { name, value, by: by.to_string() });
        if let Some(Given { value, by }) = &self.debug_folders {
            value.iter().for_each(|folder| add("debug-dir", folder.display().to_string(), by));
        }
        if let Some(Given { value, by }) = &self.sysroot {
            add("sysroot", value.display().to_string(), by);
        }
        if let Some(Given { value, by }) = &self.maps {
            value
                .iter()
                .for_each(|(from, to)| add("map", format!("{}={}", from.display(), to.display()), by));
        }
        if let Some(Given { value, by }) = &self.debuginfod {
            add("debuginfod", if *value { "yes" } else { "no" }.to_owned(), by);
        }
        list
    }
}

/// A setting's value, or the usual one.
fn value<T: Clone + Default>(given: &Option<Given<T>>) -> T {
    given.as_ref().map(|given| given.value.clone()).unwrap_or_default()
}

/// A variable, if it says anything.
fn variable(name: &'static str) -> Option<Given<OsString>> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    Some(Given { value, by: Giver::Variable(name) })
}

/// The same, by what has it.
pub fn said_by(by: &Giver, error: &Error) -> Error {
    Error::Usage(format!("{by}: {error}"))
}

/// Whether a word says yes.
///
/// # Errors
/// It says neither yes nor no.
pub fn truth(word: &str) -> Result<bool> {
    match word {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(Error::Usage(format!("'{word}' is neither yes nor no"))),
    }
}

/// The value of `--map`, taken apart at its first `=`.
///
/// # Errors
/// It does not have two parts, of which the first is absolute.
pub fn map(word: &OsStr) -> Result<(PathBuf, PathBuf)> {
    let mut parts =
        word.as_bytes().splitn(2, |byte| *byte == b'=').map(|part| Path::new(OsStr::from_bytes(part)));
    match (parts.next(), parts.next()) {
        (Some(from), Some(to)) if from.is_absolute() && !to.as_os_str().is_empty() => {
            Ok((from.to_owned(), to.to_owned()))
        }
        _ => Err(Error::Usage(format!(
            "'{}' does not say what becomes of which path; write /FROM=/TO",
            word.to_string_lossy()
        ))),
    }
}

fn check_is_folder(folder: &Path, by: &Giver, option: &str) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let error = Error::Usage(format!("{} is no folder; name one with {option}", folder.display()));
    Err(if matches!(by, Giver::Option(_)) { error } else { said_by(by, &error) })
}

/// Where clients of debuginfod keep what they have fetched, as they look for it themselves.
fn cache() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Where it was in early versions it stays.
    let early = || Some(named("HOME")?.join(".debuginfod_client_cache")).filter(|folder| folder.is_dir());
    let usual = || {
        let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
        caches.map(|caches| caches.join("debuginfod_client"))
    };
    named("DEBUGINFOD_CACHE_PATH").or_else(early).or_else(usual).filter(|folder| folder.is_dir())
}

/// Where agents dump generated code for perf, as they look for it themselves.
fn dump_folders() -> Vec<PathBuf> {
    let homes = ["JITDUMPDIR", "HOME"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    homes.filter(|home| home.is_absolute()).map(|home| home.join(".debug/jit")).collect()
}

/// The words of a list with `:` between.
fn listed(value: &OsStr) -> Vec<OsString> {
    let words = value.as_bytes().split(|byte| *byte == b':').filter(|word| !word.is_empty());
    words.map(|word| OsString::from_vec(word.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_two_paths_of_any_bytes() {
        let parse = |bytes: &[u8]| map(OsStr::from_bytes(bytes));
        let (from, to) = parse(b"/a\xff=b=c").unwrap();
        assert_eq!((from.as_os_str().as_bytes(), to.as_os_str().as_bytes()), (&b"/a\xff"[..], &b"b=c"[..]));
        assert!(parse(b"/a").is_err() && parse(b"a=/b").is_err() && parse(b"/a=").is_err());
        assert!(parse(b"x").unwrap_err().to_string().contains("/FROM=/TO"));
    }

    #[test]
    fn places_have_to_be_folders() {
        let by = Giver::Option("--sysroot");
        let sysroot = Some(Given { value: "/nowhere".into(), by });
        let settings = SearchSettings { sysroot, ..SearchSettings::default() };
        assert_eq!(
            settings.search().unwrap_err().to_string(),
            "/nowhere is no folder; name one with --sysroot"
        );
        let by = Giver::Variable("TMTOOL_DEBUG_DIR");
        let debug_folders = Some(Given { value: vec!["/".into(), "/dev/null".into()], by });
        let settings = SearchSettings { debug_folders, ..SearchSettings::default() };
        let said = "TMTOOL_DEBUG_DIR: /dev/null is no folder; name one with --debug-dir";
        assert_eq!(settings.search().unwrap_err().to_string(), said);
    }
}
