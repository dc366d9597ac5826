//! One program that was built in two folders: its files have other names, and are compared as the same ones.
//!
//! ```text
//! old /build/1/app/src/a.c   new /home/x/app/src/a.c     equal ends: app/src/a.c
//! so                         /build/1 -> /home/x         if most files that only one side has say so
//! ```
//!
//! Works on texts alone: no file is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{Frame, ModuleFile, Origin, Profile, Traceback};

/// The most pairs of folders that are kept apart: a program, and what it is linked with.
const FOLDERS_MAX: usize = 16;
/// The most files of the other side that may share an end: more say nothing.
const CANDIDATES_MAX: usize = 64;

/// Where the files of an old profile are in a new one.
#[derive(Debug, Default)]
pub struct Relocation {
    /// Folders, the old and the new one.
    folders: Vec<(String, String)>,
    /// Names of the new side, which stay.
    known: FxHashSet<Arc<str>>,
    names: FxHashMap<Arc<str>, Arc<str>>,
    of_traceback: FxHashMap<usize, Traceback>,
}

impl Profile {
    /// The same with its files where those of `new` are, if the program was built in another folder.
    #[must_use]
    pub fn relocated(self, new: &Profile) -> Profile {
        if is_one_recording(self.origin.as_ref(), new.origin.as_ref()) {
            return self;
        }
        let mut relocation = Relocation::between(&self, new);
        let origin = relocation.noted(self.origin.clone());
        Profile { origin, ..self.with_tracebacks(|traceback| relocation.apply(traceback)) }
    }
}

impl Relocation {
    /// What the names in both say.
    fn between(old: &Profile, new: &Profile) -> Relocation {
        let (old, new) = (names(old), names(new));
        let mut relocation = Relocation::default();
        let mut candidates: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
        for name in new.difference(&old) {
            candidates.entry(last_part(name)).or_default().push(name);
        }
        let mut moved: Vec<&Arc<str>> = old.difference(&new).collect();
        let stay: Vec<&Arc<str>> = old.intersection(&new).collect();
        while relocation.folders.len() < FOLDERS_MAX {
            let mut votes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
            for name in &moved {
                let Some(found) = candidates.get(last_part(name)) else { continue };
                if let Some(folders) =
                    best_folders(name, found).filter(|&folders| !are_in_one_place(folders, &stay))
                {
                    *votes.entry(folders).or_default() += 1;
                }
            }
            let most = votes.into_iter().max_by_key(|&(folders, n)| (n, std::cmp::Reverse(folders)));
            let Some(((from, to), _)) = most else { break };
            moved.retain(|name| moved_name(name, from, to, &new).is_none());
            relocation.folders.push((from.to_owned(), to.to_owned()));
        }
        relocation.known = new;
        relocation
    }

    fn apply(&mut self, traceback: &Traceback) -> Traceback {
        if self.folders.is_empty() {
            return traceback.clone();
        }
        if let Some(known) = self.of_traceback.get(&traceback.identity()) {
            return known.clone();
        }
        let frames: Vec<Arc<Frame>> = traceback.frames().iter().map(|frame| self.frame(frame)).collect();
        let relocated = traceback.with_frames(&frames, traceback.total_nframe());
        self.of_traceback.insert(traceback.identity(), relocated.clone());
        relocated
    }

    fn frame(&mut self, frame: &Arc<Frame>) -> Arc<Frame> {
        let filename = self.name(&frame.filename);
        let moved = |module: &Arc<ModuleFile>| {
            let path = self.name(&module.path);
            if path == module.path {
                return Arc::clone(module);
            }
            Arc::new(ModuleFile { path, ..(**module).clone() })
        };
        let module = frame.module.as_ref().map(moved);
        if filename == frame.filename && module == frame.module {
            return Arc::clone(frame);
        }
        Arc::new(Frame { filename, module, ..(**frame).clone() })
    }

    fn name(&mut self, name: &Arc<str>) -> Arc<str> {
        if self.known.contains(name) {
            return Arc::clone(name);
        }
        let (folders, known) = (&self.folders, &self.known);
        let made = || {
            let moved = folders.iter().find_map(|(from, to)| moved_name(name, from, to, known));
            moved.map_or_else(|| Arc::clone(name), Arc::from)
        };
        Arc::clone(self.names.entry(Arc::clone(name)).or_insert_with(made))
    }

    /// `origin` with what was taken for the same.
    fn noted(&self, origin: Option<Origin>) -> Option<Origin> {
        let mut origin = origin?;
        let folders = self.folders.iter().map(|(from, to)| format!("{from}/ with {to}/"));
        let folders: Vec<String> = folders.collect();
        if !folders.is_empty() {
            origin.notes.push(format!("Files are compared by their places: {}.", folders.join(", ")));
        }
        Some(origin)
    }
}

/// Whether both are moments of one recording, whose files are where they are.
fn is_one_recording(old: Option<&Origin>, new: Option<&Origin>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return false };
    old.recorded_ns != 0 && (old.recorded_ns, old.pid) == (new.recorded_ns, new.pid)
}

/// Whether the two folders are parts of one that has files on both sides, which were not moved: `x/aa` and `x/bb` of a program
/// whose `x/main.c` is `x/main.c` still.
fn are_in_one_place((from, to): (&str, &str), stay: &[&Arc<str>]) -> bool {
    let parts = from.split('/').zip(to.split('/')).take_while(|(one, other)| one == other);
    let len = parts.map(|(part, _)| part.len() + 1).sum::<usize>();
    // Of the root folder everything is a part.
    len > 1 && from.get(..len).is_some_and(|shared| stay.iter().any(|name| name.starts_with(shared)))
}

/// All absolute names of files and modules.
fn names(profile: &Profile) -> FxHashSet<Arc<str>> {
    let (mut names, mut seen) = (FxHashSet::default(), FxHashSet::default());
    let frames = profile.rows.iter().flat_map(|row| row.traceback.frames());
    // Frames are shared, so each is looked at once.
    for frame in frames.filter(|frame| seen.insert(Arc::as_ptr(frame))) {
        let both = [Some(&frame.filename), frame.module.as_ref().map(|module| &module.path)];
        names.extend(both.into_iter().flatten().filter(|name| name.starts_with('/')).cloned());
    }
    names
}

/// The folders in which `name` and the likest of `others` have equal ends; none if two are as like.
fn best_folders<'a>(name: &'a str, others: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let others = others.get(..CANDIDATES_MAX).unwrap_or(others);
    let len = |other: &&str| equal_end(name, other);
    let best = others.iter().map(len).max()?;
    let mut found = others.iter().filter(|other| len(other) == best);
    let other = found.next().filter(|_| found.next().is_none())?;
    let cut = |text: &'a str| text.get(..text.len().checked_sub(best)?);
    Some((cut(name)?, cut(other)?))
}

/// The length of the parts at the ends of two paths that are equal, each with the slash before it.
fn equal_end(one: &str, other: &str) -> usize {
    let parts = one.rsplit('/').zip(other.rsplit('/')).take_while(|(one, other)| one == other);
    parts.map(|(part, _)| part.len() + 1).sum::<usize>().min(one.len()).min(other.len())
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `name` in the folder `to` instead of `from`, if it is in that. All files are in the root folder, so of it only those go
/// that are known to be there.
fn moved_name(name: &str, from: &str, to: &str, known: &FxHashSet<Arc<str>>) -> Option<String> {
    let rest = name.strip_prefix(from).filter(|rest| rest.starts_with('/'))?;
    let moved = format!("{to}{rest}");
    (!from.is_empty() || known.contains(moved.as_str())).then_some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uncertainty;
    use crate::model::{Amount, ProfileRow};

    fn profile(files: &[&str]) -> Profile {
        let row = |(name, line): (&&str, u32)| ProfileRow {
            traceback: Traceback::new(vec![Frame::new(*name, line)], None),
            tag: None,
            domain: 0,
            process: None,
            amount: Amount::of_block(1),
            uncertainty: Uncertainty::EXACT,
        };
        let rows = files.iter().zip(1..).map(row).collect();
        Profile { rows, traceback_limit: 1, origin: None }
    }

    fn relocated(old: &[&str], new: &[&str]) -> Vec<String> {
        let relocated = profile(old).relocated(&profile(new));
        let name = |row: &ProfileRow| row.traceback.frames()[0].filename.to_string();
        relocated.rows.iter().map(name).collect()
    }

    #[test]
    fn files_of_two_folders_are_the_same() {
        let old = ["/b/1/app/src/a.c", "/b/1/app/src/gone.c", "/usr/x.h", "csu/start.c", "/b/1/app/lib/a.c"];
        let new = ["/h/2/app/src/a.c", "/usr/x.h", "/h/2/app/lib/a.c", "/h/2/app/src/new.c"];
        assert_eq!(
            relocated(&old, &new),
            ["/h/2/app/src/a.c", "/h/2/app/src/gone.c", "/usr/x.h", "csu/start.c", "/h/2/app/lib/a.c"]
        );
    }

    #[test]
    fn what_both_have_stays_and_what_is_not_clear_too() {
        assert_eq!(relocated(&["/a/x.c", "/b/x.c"], &["/a/x.c", "/b/x.c"]), ["/a/x.c", "/b/x.c"]);
        assert_eq!(relocated(&["/a/x.c"], &["/b/x.c", "/c/x.c"]), ["/a/x.c"]);
        assert_eq!(relocated(&["/a/x.c"], &[]), ["/a/x.c"]);
        assert_eq!(relocated(&["x.c"], &["/b/x.c"]), ["x.c"]);
        let sisters = ["/p/m.c", "/p/aa/util.c"];
        assert_eq!(relocated(&sisters, &["/p/m.c", "/p/bb/util.c"]), sisters);
    }

    #[test]
    fn the_root_and_deep_folders_are_folders() {
        let container = ["/src/x.c", "/usr/y.h"];
        assert_eq!(relocated(&container, &["/home/u/src/x.c"]), ["/home/u/src/x.c", "/usr/y.h"]);
        assert_eq!(relocated(&["/deep/down/x.c", "/deep/other.c"], &["/x.c"]), ["/x.c", "/deep/other.c"]);
    }
}
