//! Finds the recordings of one run: the files that the template may have named and whose header has its number.

use std::path::{Path, PathBuf};

use tm_common::header::{GRAIN_BYTES, Header};

use tm_analyzer::reader::file::RecordingFile;

use super::template;

/// A recording, as its header tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recording {
    pub path: PathBuf,
    /// The process that began it.
    pub pid: u32,
    /// The file's size, without the hole at its end.
    pub file_bytes: u64,
}

/// The recordings of run `run` among the files of `template`, in the order in which their processes started.
pub(super) fn of_run(template: &Path, run: u64) -> Vec<Recording> {
    let mut found: Vec<(u64, Recording)> =
        template::candidates(template).into_iter().filter_map(|path| read(path, run)).collect();
    found.sort_by_key(|(start_ns, _)| *start_ns);
    found.into_iter().map(|(_, recording)| recording).collect()
}

/// The file at `path` with its start, if it is a recording of `run`.
fn read(path: PathBuf, run: u64) -> Option<(u64, Recording)> {
    let len = path.metadata().ok()?.len();
    let header = header(&path).filter(|header| header.run == run)?;
    let file_bytes = header.claimed_bytes(len);
    Some((header.start_realtime_ns, Recording { path, pid: header.pid, file_bytes }))
}

/// The header of the file at `path`, if it is a recording.
pub(super) fn header(path: &Path) -> Option<Header> {
    path.metadata().ok().filter(|metadata| metadata.is_file())?;
    let mut bytes = Vec::new();
    // It may be packed: the bundle of an earlier run.
    RecordingFile::open(path).ok()?.read(0, GRAIN_BYTES, &mut bytes).ok()?;
    Header::parse(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tm_common::header::MAGIC;

    use super::*;

    fn header(run: u64, pid: u32, start_ns: u64) -> Vec<u8> {
        let mut bytes = vec![0; GRAIN_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8] = 1;
        bytes[20..24].copy_from_slice(&pid.to_le_bytes());
        bytes[32..40].copy_from_slice(&run.to_le_bytes());
        bytes[48..56].copy_from_slice(&start_ns.to_le_bytes());
        bytes
    }

    #[test]
    fn only_files_with_the_number_of_the_run_count() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("tm.sh.10.bin", &header(7, 10, 2000));
        write("tm.cc.9.bin.9", &header(7, 9, 1000));
        write("tm.old.8.bin", &header(6, 8, 500));
        write("tm.text.7.bin", b"not a recording");
        write("tm.short.6.bin", &header(7, 6, 1)[..30]);
        write("other.5.bin", &header(7, 5, 1));
        fs::create_dir(folder.path().join("tm.folder.1.bin")).unwrap();

        let template = template::escape(folder.path()).join("tm.%e.%p.bin");
        let pids: Vec<u32> = of_run(&template, 7).iter().map(|recording| recording.pid).collect();
        assert_eq!(pids, [9, 10]);
        assert_eq!(of_run(&template, 1), []);
    }
}
