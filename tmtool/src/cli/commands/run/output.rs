//! Where the recordings of a run go: into a folder of the run's own, from which the only one is taken out in the end; or
//! wherever the user's own template puts those of different programs.
//!
//! ```text
//! -o x.bin    x.bin/prog.1234.bin   in the end x.bin, if it is the only one and nobody writes to it any more
//! (no -o)     tm.prog.1233/...      in the end tm.prog.1234.bin, likewise
//! -o %e.%p    prog.1234             as the template says
//! ```

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::recordings::{self, Recording};
use super::template;
use crate::cli::programs::is_recording;
use crate::errors::{Error, Result};
use tm_analyzer::host::is_mapped;

/// What the recordings in a run's folder are called.
const IN_FOLDER: &str = "%e.%p.bin";

/// Where the recordings go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// The value of `TM_OUT`, absolute: children may run in other folders.
    pub template: PathBuf,
    /// The run's own folder.
    pub folder: Option<PathBuf>,
    /// The user gave the name.
    is_named: bool,
    /// What an earlier run left under the folder's name, once it was moved aside.
    aside: Option<PathBuf>,
}

/// What there is at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// The recordings in the order in which their programs started.
    pub recordings: Vec<Recording>,
    /// The folder that they are in, if it is the run's own.
    pub folder: Option<PathBuf>,
    /// The only recording was left in the folder because somebody still writes to it.
    pub is_in_use: bool,
}

impl Output {
    /// For the template that the user gave, by -o or `TM_OUT`; without one, for the program `name`. Relative paths are from
    /// the folder `here`. Changes nothing yet.
    ///
    /// # Errors
    /// If nothing can be recorded there.
    pub(super) fn plan(given: Option<&Path>, name: &OsStr, here: &Path) -> Result<Output> {
        let given = given.map(|given| template::escape(here).join(given));
        if let Some(given) = &given {
            check_folder(given)?;
        }
        let (wanted, is_named) = match given.as_deref().map(|given| (given, template::literal(given))) {
            Some((given, None)) => {
                return Ok(Output { template: given.to_owned(), folder: None, is_named: true, aside: None });
            }
            Some((_, Some(path))) => (path, true),
            None => (here.join(default_name(name)), false),
        };
        let folder = match Standing::of(&wanted) {
            Standing::Free | Standing::Old => wanted,
            Standing::Running => with_suffix(&wanted, ""),
            Standing::Folder => {
                let folder = wanted.display();
                let example = wanted.join("tm.%e.%p.bin");
                let message = format!(
                    "{folder} is a folder; name a file in it with -o, for example -o {}",
                    example.display()
                );
                return Err(Error::Message(message));
            }
            Standing::Foreign => {
                let message =
                    "exists and is not a tm recording; it was left alone: choose another name with -o";
                return Err(Error::Message(format!("{} {message}", wanted.display())));
            }
        };
        let template = template::escape(&folder).join(IN_FOLDER);
        Ok(Output { template, folder: Some(folder), is_named, aside: None })
    }

    /// Makes the folder. What an earlier run left under its name is moved aside.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn make(&mut self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if Standing::of(folder) == Standing::Old {
            let aside = with_suffix(folder, ".old");
            fs::rename(folder, &aside).map_err(|error| Error::io("replace", folder, error))?;
            self.aside = Some(aside);
        }
        let made = fs::create_dir(folder);
        made.map_err(|error| {
            let error = Error::io("create", folder, error);
            self.give_up();
            error
        })
    }

    /// Puts back what was there before: the program could not be started.
    pub(super) fn give_up(&self) {
        let Some(folder) = &self.folder else { return };
        let _ = fs::remove_dir(folder);
        if let Some(aside) = &self.aside {
            let _ = fs::rename(aside, folder);
        }
    }

    /// Finds the recordings of run `run`, takes the only one out of the folder, and removes those of an earlier run.
    pub(super) fn settle(&self, run: u64) -> Settled {
        let mut recordings = recordings::of_run(&self.template, run);
        let Some(folder) = &self.folder else {
            return Settled { recordings, folder: None, is_in_use: false };
        };
        if recordings.is_empty() {
            self.give_up();
            return Settled { recordings, folder: None, is_in_use: false };
        }
        self.aside.as_deref().map(remove_old);
        if let [only] = &mut recordings[..]
            && !is_mapped(&only.path)
            && let Some(path) = self.take_out(folder, &only.path)
        {
            only.path = path;
            return Settled { recordings, folder: None, is_in_use: false };
        }
        let is_in_use = matches!(&recordings[..], [only] if is_mapped(&only.path));
        Settled { recordings, folder: Some(folder.clone()), is_in_use }
    }

    /// The recording's new path, in the place of the folder or beside it; `None` if it stays where it is. Nobody may write
    /// to it any more: he would not find it again when it has to grow.
    fn take_out(&self, folder: &Path, recording: &Path) -> Option<PathBuf> {
        let target = if self.is_named { folder.to_owned() } else { beside(folder, recording)? };
        let between = with_suffix(folder, ".new");
        fs::rename(recording, &between).ok()?;
        let replaced = fs::remove_dir(folder).and_then(|()| fs::rename(&between, &target));
        match replaced {
            Ok(()) => Some(target),
            Err(_) => {
                // Something else is in the folder, or the folder is gone and the name is not free.
                let _ = fs::create_dir(folder);
                let _ = fs::rename(&between, recording);
                None
            }
        }
    }
}

/// `tm.PROG.PID`, with our own pid: that of the program is not known before it runs.
fn default_name(program: &OsStr) -> OsString {
    let mut name = OsString::from("tm.");
    name.push(Path::new(program).file_name().unwrap_or(program));
    name.push(format!(".{}", std::process::id()));
    name
}

/// `tm.prog.1234.bin` beside the folder, if that name is free or of an earlier run.
fn beside(folder: &Path, recording: &Path) -> Option<PathBuf> {
    let mut name = OsString::from("tm.");
    name.push(recording.file_name()?);
    let path = folder.with_file_name(name);
    match Standing::of(&path) {
        Standing::Free => Some(path),
        Standing::Old if path.is_file() => Some(path),
        _ => None,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}{suffix}", std::process::id()));
    PathBuf::from(name)
}

/// Finds out before the program starts what the recorder would stumble over.
fn check_folder(template: &Path) -> Result<()> {
    let Some(folder) = template::fixed_folder(template) else { return Ok(()) };
    if !folder.is_dir() {
        return Err(Error::Message(format!(
            "the folder {} for the recording does not exist; create it or choose another with -o",
            folder.display()
        )));
    }
    if template.as_os_str().as_bytes().ends_with(b"/") {
        let example = template.join("tm.%e.%p.bin");
        return Err(Error::Message(format!(
            "{} is a folder; name a file in it with -o, for example -o {}",
            template.display(),
            example.display()
        )));
    }
    Ok(())
}

/// What is under a name that a run is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Free,
    /// A recording or a folder of an earlier run, to be replaced.
    Old,
    /// The same of a program that still runs.
    Running,
    /// A folder of something else.
    Folder,
    /// Something else.
    Foreign,
}

impl Standing {
    fn of(path: &Path) -> Standing {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Standing::Free,
            Err(_) => return Standing::Foreign,
            Ok(metadata) => metadata,
        };
        let files = match metadata.is_dir() {
            true if is_of_one_run(path) => files_of(path),
            true => return Standing::Folder,
            false if metadata.is_file() && metadata.len() == 0 => return Standing::Old,
            false if is_recording(path) => vec![path.to_owned()],
            false => return Standing::Foreign,
        };
        if files.iter().any(|file| is_mapped(file)) { Standing::Running } else { Standing::Old }
    }
}

/// Whether the folder holds the recordings of one `tmtool run` under the names that they get there, and nothing else.
fn is_of_one_run(folder: &Path) -> bool {
    let files = files_of(folder);
    let runs: Option<Vec<u64>> = files.iter().map(|file| run_in_folder(file)).collect();
    runs.is_some_and(|runs| {
        runs.first().is_some_and(|run| *run != 0 && runs.iter().all(|other| other == run))
    })
}

/// The number of the run of the recording `file`, if its name is one that it gets in a run's folder.
fn run_in_folder(file: &Path) -> Option<u64> {
    let header = recordings::header(file)?;
    let name = file.file_name()?.to_str()?;
    let has_name = name.contains(&format!(".{}.bin", header.pid)) && is_recording(file);
    has_name.then_some(header.run)
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn remove_old(path: &Path) {
    if path.is_dir() {
        for file in files_of(path).iter().filter(|file| is_recording(file)) {
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use tm_common::header::{GRAIN_BYTES, MAGIC};

    use super::*;

    fn recording(run: u64, pid: u32) -> Vec<u8> {
        let mut bytes = vec![0; GRAIN_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8] = 1;
        bytes[20..24].copy_from_slice(&pid.to_le_bytes());
        bytes[32..40].copy_from_slice(&run.to_le_bytes());
        bytes
    }

    fn made(given: &Path) -> Output {
        let mut output = Output::plan(Some(given), OsStr::new("prog"), Path::new("/")).unwrap();
        output.make().unwrap();
        output
    }

    #[test]
    fn the_only_recording_takes_the_place_of_the_folder_and_several_stay() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.bin");
        let one = made(&path);
        fs::write(path.join("prog.7.bin"), recording(5, 7)).unwrap();
        let settled = one.settle(5);
        assert_eq!((settled.folder, &settled.recordings[0].path), (None, &path));
        assert!(path.is_file());
        // The next run replaces it, the one after that the folder.
        for _ in 0..2 {
            let two = made(&path);
            fs::write(path.join("sh.7.bin"), recording(6, 7)).unwrap();
            fs::write(path.join("prog.8.bin"), recording(6, 8)).unwrap();
            let settled = two.settle(6);
            assert_eq!((settled.folder.as_ref(), settled.recordings.len()), (Some(&path), 2));
            assert_eq!(
                files_of(root.path()),
                std::slice::from_ref(&path),
                "nothing is left of the earlier run"
            );
        }
    }

    #[test]
    fn a_run_that_records_nothing_leaves_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.bin");
        assert_eq!(made(&path).settle(5).recordings, []);
        assert!(!path.exists());
        fs::write(&path, recording(1, 9)).unwrap();
        assert_eq!(made(&path).settle(5).recordings, []);
        assert_eq!(fs::read(&path).unwrap(), recording(1, 9));
        made(&path).give_up();
        assert_eq!(fs::read(&path).unwrap(), recording(1, 9));
    }

    #[test]
    fn without_a_name_the_program_and_its_pid_are_it() {
        let root = tempfile::tempdir().unwrap();
        let mut output = Output::plan(None, OsStr::new("/bin/prog"), root.path()).unwrap();
        output.make().unwrap();
        let folder = output.folder.clone().unwrap();
        assert_eq!(folder, root.path().join(format!("tm.prog.{}", std::process::id())));
        fs::write(folder.join("prog.7.bin"), recording(5, 7)).unwrap();
        assert_eq!(output.settle(5).recordings[0].path, root.path().join("tm.prog.7.bin"));
    }

    #[test]
    fn templates_become_absolute_and_keep_the_folders_percent_signs() {
        let root = tempfile::tempdir().unwrap();
        let here = root.path().join("home%p");
        fs::create_dir(&here).unwrap();
        let template = |given: &str| {
            let output = Output::plan(Some(Path::new(given)), OsStr::new("prog"), &here).unwrap();
            output.template.strip_prefix(root.path()).map(Path::to_owned).unwrap_or(output.template)
        };
        assert_eq!(template("%e.bin"), Path::new("home%%p/%e.bin"));
        assert_eq!(template("x%%.bin"), Path::new("home%%p/x%%.bin/%e.%p.bin"));
        assert_eq!(template("/tmp/%p"), Path::new("/tmp/%p"));
    }

    #[test]
    fn what_is_not_of_a_run_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("text"), "mine").unwrap();
        for (folder, files) in [
            ("empty", vec![]),
            ("mixed", vec![("a.1.bin", recording(5, 1)), ("notes", b"mine".to_vec())]),
            ("two runs", vec![("a.1.bin", recording(5, 1)), ("b.2.bin", recording(6, 2))]),
            ("own names", vec![("mine", recording(5, 1))]),
            ("no run", vec![("a.1.bin", recording(0, 1))]),
        ] {
            fs::create_dir(at(folder)).unwrap();
            files.into_iter().for_each(|(name, bytes)| fs::write(at(folder).join(name), bytes).unwrap());
        }
        let sentence = |name: &str| {
            Output::plan(Some(&at(name)), OsStr::new("prog"), Path::new("/")).unwrap_err().to_string()
        };
        assert!(sentence("text").contains("is not a tm recording"));
        for folder in ["empty", "mixed", "two runs", "own names", "no run", "text/"] {
            assert!(sentence(folder).contains("is a folder"), "{folder}");
        }
        assert!(sentence("no/x.bin").contains("does not exist"));
        let own = Output::plan(Some(&at("%e.%p.bin")), OsStr::new("prog"), Path::new("/")).unwrap();
        assert_eq!((own.folder, own.template), (None, at("%e.%p.bin")));
    }
}
