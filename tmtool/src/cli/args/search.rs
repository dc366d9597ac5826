//! Where the files are looked for that names come from: the options, and the environment where they are not given.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::control::other_root;
use crate::errors::{Error, Result};
use tm_analyzer::symbolize::Search;

/// Where names are looked for.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Where names are looked for")]
pub struct SearchArgs {
    /// Look for debug information in this folder too: laid out as /usr/lib/debug, or with the files beside each other; may be given
    /// several times. Without it: what TMTOOL_DEBUG_DIR names, with : between.
    #[arg(long, value_name = "DIR")]
    debug_dir: Vec<PathBuf>,
    /// The folder that stands for / of the machine that recorded. Without it: what TMTOOL_SYSROOT names.
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
    /// Paths that begin with FROM in the recording begin with TO here; may be given several times. Without it: what TMTOOL_MAP
    /// has, with : between.
    #[arg(long, value_name = "FROM=TO", value_parser = OsStringValueParser::new().try_map(|word| map(&word)))]
    map: Vec<(PathBuf, PathBuf)>,
}

impl SearchArgs {
    /// The places that are asked for.
    ///
    /// # Errors
    /// One of them is no folder, or the environment says what is none.
    pub fn search(&self) -> Result<Arc<Search>> {
        let mut search = Search {
            debug_folders: self.debug_dir.clone(),
            caches: cache().into_iter().collect(),
            sysroot: self.sysroot.clone(),
            maps: self.map.clone(),
        };
        if search.debug_folders.is_empty() {
            search.debug_folders = listed("TMTOOL_DEBUG_DIR").into_iter().map(PathBuf::from).collect();
        }
        if search.sysroot.is_none() {
            search.sysroot =
                std::env::var_os("TMTOOL_SYSROOT").filter(|it| !it.is_empty()).map(PathBuf::from);
        }
        if search.maps.is_empty() {
            let maps = listed("TMTOOL_MAP").iter().map(|word| map(word)).collect::<Result<_>>();
            search.maps = maps.map_err(|error| Error::Usage(format!("TMTOOL_MAP: {error}")))?;
        }
        let folders = search.debug_folders.iter().map(|folder| ("--debug-dir", folder));
        for (option, folder) in folders.chain(search.sysroot.iter().map(|folder| ("--sysroot", folder))) {
            if !folder.is_dir() {
                let folder = folder.display();
                return Err(Error::Usage(format!("{folder} is no folder; name one with {option}")));
            }
        }
        Ok(Arc::new(search))
    }
}

impl SearchArgs {
    /// The same for a process that runs: one with another root folder has its files there.
    ///
    /// # Errors
    /// As [`SearchArgs::search`].
    pub fn search_of(&self, pid: u32) -> Result<Arc<Search>> {
        let mut search = self.search()?;
        if search.sysroot.is_none()
            && let Some(root) = other_root(pid)
        {
            Arc::make_mut(&mut search).sysroot = Some(root);
        }
        Ok(search)
    }
}

/// Where clients of debuginfod keep what they have fetched, as they look for it themselves.
fn cache() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || {
        let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
        caches.map(|caches| caches.join("debuginfod_client"))
    };
    named("DEBUGINFOD_CACHE_PATH").or_else(usual).filter(|folder| folder.is_dir())
}

/// The words of a variable, with `:` between.
fn listed(name: &str) -> Vec<OsString> {
    let value = std::env::var_os(name).unwrap_or_default();
    let words = value.as_bytes().split(|byte| *byte == b':').filter(|word| !word.is_empty());
    words.map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// The value of `--map`, taken apart at its first `=`.
fn map(word: &OsStr) -> Result<(PathBuf, PathBuf)> {
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
        let args = SearchArgs { sysroot: Some("/nowhere".into()), ..SearchArgs::default() };
        assert_eq!(args.search().unwrap_err().to_string(), "/nowhere is no folder; name one with --sysroot");
        let args = SearchArgs { debug_dir: vec!["/".into(), "/dev/null".into()], ..SearchArgs::default() };
        assert!(args.search().unwrap_err().to_string().contains("--debug-dir"));
    }
}
