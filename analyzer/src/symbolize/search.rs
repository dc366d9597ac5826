//! Where the files of a recording are looked for on this machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::debuginfod::Debuginfod;

/// Where distributions put separate debug information.
const DEBUG_FOLDER: &str = "/usr/lib/debug";
/// As many links in a row lead somewhere.
const LINKS_MAX: usize = 40;

/// The places where files are looked for that a recording names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Folders with debug information, in their order: laid out as `/usr/lib/debug`, or with the files beside each other.
    pub debug_folders: Vec<PathBuf>,
    /// What clients of debuginfod have fetched: folders with a folder for each build-id.
    pub caches: Vec<PathBuf>,
    /// The servers that are asked for what is nowhere here; none, unless the user wants it.
    pub debuginfod: Option<Arc<Debuginfod>>,
    /// Files that were opened while they were loaded, in case that they are gone by now.
    pub held: Vec<HeldFile>,
    /// Folders with a folder for each run of a program, in which it dumps the code that it makes.
    pub dump_folders: Vec<PathBuf>,
    /// The folder that stands for the root folder of the machine that recorded; without one it is this machine's.
    pub sysroot: Option<PathBuf>,
    /// What the beginnings of paths there are here; the first that fits counts, and the root folder does not then.
    pub maps: Vec<(PathBuf, PathBuf)>,
}

/// A file that this process has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFile {
    /// Its path when it was loaded.
    pub path: PathBuf,
    /// Where it is read: the name of a descriptor.
    pub at: PathBuf,
}

/// Where a source file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourcePlace {
    /// The file.
    pub path: PathBuf,
    /// Whether the user says that it is there.
    pub is_named: bool,
}

impl Search {
    /// Where the file is that was at `path` when it was recorded. Links in another root folder lead within that.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        if let Some(mapped) = self.mapped(path) {
            return mapped;
        }
        match &self.sysroot {
            Some(root) => resolve_in(root, path),
            None => path.to_owned(),
        }
    }

    /// Where the source file is that debug information, or Python, calls `path`. In the root folder of the machine that recorded there may
    /// be none: programs are compiled elsewhere.
    pub(super) fn source(&self, path: &Path) -> SourcePlace {
        if let Some(path) = self.mapped(path) {
            return SourcePlace { path, is_named: true };
        }
        let within = self.sysroot.as_deref().map(|root| resolve_in(root, path)).filter(|path| path.exists());
        SourcePlace { path: within.unwrap_or_else(|| path.to_owned()), is_named: false }
    }

    /// The folder that was `folder` when it was recorded, given one of this machine.
    pub(super) fn recorded(&self, folder: &Path) -> PathBuf {
        let root =
            self.sysroot.as_deref().map(|root| root.canonicalize().unwrap_or_else(|_| root.to_owned()));
        let within =
            root.and_then(|root| folder.strip_prefix(root).ok().map(|within| Path::new("/").join(within)));
        within.unwrap_or_else(|| folder.to_owned())
    }

    /// All folders that are laid out as `/usr/lib/debug`: the user's, and the system's at last.
    pub(super) fn all_debug_folders(&self) -> impl Iterator<Item = PathBuf> {
        let system = match &self.sysroot {
            Some(root) => resolve_in(root, Path::new(DEBUG_FOLDER)),
            None => PathBuf::from(DEBUG_FOLDER),
        };
        self.debug_folders.iter().cloned().chain([system])
    }

    fn mapped(&self, path: &Path) -> Option<PathBuf> {
        self.maps.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from).ok()?;
            Some(if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) })
        })
    }
}

/// `path` as a process would see it whose root folder is `root`: no link leads out of that.
fn resolve_in(root: &Path, path: &Path) -> PathBuf {
    let parts = |path: &Path| -> Vec<OsString> {
        let known =
            path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
        known.map(|part| part.as_os_str().to_owned()).collect()
    };
    let mut rest: Vec<OsString> = parts(path).into_iter().rev().collect();
    let (mut within, mut n_links) = (PathBuf::new(), 0);
    while let Some(part) = rest.pop() {
        if part == ".." {
            within.pop();
            continue;
        }
        match fs::read_link(root.join(&within).join(&part)) {
            Ok(target) if n_links < LINKS_MAX => {
                n_links += 1;
                if target.is_absolute() {
                    within.clear();
                }
                rest.extend(parts(&target).into_iter().rev());
            }
            _ => within.push(part),
        }
    }
    root.join(within)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_first_beginning_that_fits_counts() {
        let map = |from: &str, to: &str| (PathBuf::from(from), PathBuf::from(to));
        let search = Search {
            sysroot: Some("/nowhere/root".into()),
            maps: vec![map("/build/app", "/home/me/app"), map("/build", "/b"), map("/x/prog", "/y/other")],
            ..Search::default()
        };
        for (path, place) in [
            ("/build/app/lib/a.so", "/home/me/app/lib/a.so"),
            ("/build/application", "/b/application"),
            ("/x/prog", "/y/other"),
            ("/usr/lib/x.so", "/nowhere/root/usr/lib/x.so"),
            ("/../usr/./x.so", "/nowhere/root/usr/x.so"),
        ] {
            assert_eq!(search.place(Path::new(path)), Path::new(place), "{path}");
        }
        assert_eq!(Search::default().place(Path::new("/a/b")), Path::new("/a/b"));
    }

    #[test]
    fn links_of_another_root_folder_lead_within_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("usr/lib")).unwrap();
        symlink("/usr/lib", at("lib")).unwrap();
        symlink("../../../../etc/passwd", at("usr/lib/out")).unwrap();
        symlink("circle", at("usr/lib/circle")).unwrap();
        let search = Search { sysroot: Some(root.path().to_owned()), ..Search::default() };
        assert_eq!(search.place(Path::new("/lib/a.so")), at("usr/lib/a.so"));
        assert_eq!(search.place(Path::new("/lib/out")), at("etc/passwd"));
        assert_eq!(search.place(Path::new("/lib/circle")), at("usr/lib/circle"));
        let folder = at("usr/lib").canonicalize().unwrap();
        assert_eq!(search.recorded(&folder), Path::new("/usr/lib"));
    }
}
