//! Where the files are looked for that names come from: the options, and what they settle with the environment and the file of
//! settings.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::cli::given::Given;
use crate::cli::search_settings::{SearchSettings, map, truth};
use crate::cli::settings_file;
use crate::control::other_root;
use crate::errors::Result;
use crate::report::symbols::Setting;
use tm_analyzer::symbolize::Search;

/// Where names are looked for.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Where names are looked for")]
pub struct SearchArgs {
    /// Look for debug information in this folder too: laid out as /usr/lib/debug, or with the files beside each other; may be given
    /// several times. Without it: what TMTOOL_DEBUG_DIR names, with : between, or debug-dir of the settings (docs/symbols.md).
    #[arg(long, value_name = "DIR")]
    debug_dir: Vec<PathBuf>,
    /// The folder that stands for / of the machine that recorded. Without it: what TMTOOL_SYSROOT names, or sysroot of the settings.
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
    /// Paths that begin with FROM in the recording, of source files too, begin with TO here; may be given several times. Without it:
    /// what TMTOOL_MAP has, with : between, or map of the settings.
    #[arg(long, value_name = "FROM=TO", value_parser = OsStringValueParser::new().try_map(|word| map(&word)))]
    map: Vec<(PathBuf, PathBuf)>,
    /// Ask the servers of DEBUGINFOD_URLS for debug information that is nowhere here: by debuginfod-find of elfutils, for the files that
    /// stacks need, with 10 s for each (DEBUGINFOD_MAXTIME). Without it: what TMTOOL_DEBUGINFOD says, or debuginfod of the settings.
    #[arg(long, value_name = "yes|no", num_args = 0..=1, require_equals = true, default_missing_value = "yes", value_parser = truth)]
    debuginfod: Option<bool>,
    /// What they settle: once, so that all of a command looks in the same places.
    #[arg(skip)]
    known: OnceLock<Settled>,
}

/// The places that are asked for, and what asks for them.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The places.
    pub search: Arc<Search>,
    /// What is set, with what says so.
    pub settings: Vec<Setting>,
}

impl SearchArgs {
    /// The places that are asked for.
    ///
    /// # Errors
    /// As [`SearchArgs::settled`].
    pub fn search(&self) -> Result<Arc<Search>> {
        Ok(self.settled()?.search.clone())
    }

    /// The places that are asked for, and what asks for them.
    ///
    /// # Errors
    /// One of them is no folder, or the environment or the file of settings says what is none.
    pub fn settled(&self) -> Result<&Settled> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let several = |folders: &[PathBuf]| (!folders.is_empty()).then(|| folders.to_vec());
        let maps = (!self.map.is_empty()).then(|| self.map.clone());
        let of_options = SearchSettings {
            debug_folders: Given::by_option(several(&self.debug_dir), "--debug-dir"),
            sysroot: Given::by_option(self.sysroot.clone(), "--sysroot"),
            maps: Given::by_option(maps, "--map"),
            debuginfod: Given::by_option(self.debuginfod, "--debuginfod"),
        };
        let settings = of_options.or(SearchSettings::of_environment()?).or(settings_file::of_user()?);
        let settled = Settled { search: Arc::new(settings.search()?), settings: settings.list() };
        Ok(self.known.get_or_init(|| settled))
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
