//! Recordings that this process has mapped, as one under libtm.so has.

use std::path::Path;

use tempfile::NamedTempFile;

use tm_analyzer::host::Target;
use tm_testing::RecordingBuilder;

/// A recording with `target` as process 2; before and behind it others of its pid: 0 has ended, 1 started a tick later,
/// 4 much later. 3 has the pid after it and does not know its start.
pub(super) fn recording_of(target: Target) -> RecordingBuilder {
    let mut builder = RecordingBuilder::new();
    builder.version = 2;
    let Target { own_pid, start_ticks, .. } = target;
    for (pid, start, end) in [
        (own_pid, start_ticks, Some(5)),
        (own_pid, start_ticks + 1, None),
        (own_pid, start_ticks, None),
        (own_pid + 1, 0, None),
        (own_pid, start_ticks + 1000, None),
    ] {
        builder.process_started(pid, start, end);
    }
    builder
}

/// A recording that this process has mapped.
pub(super) struct MappedRecording {
    file: NamedTempFile,
    page: *mut libc::c_void,
}

impl MappedRecording {
    pub(super) fn new(builder: RecordingBuilder) -> MappedRecording {
        use std::os::fd::AsRawFd;
        let file = builder.file();
        let (access, fd) = (libc::PROT_READ | libc::PROT_WRITE, file.as_file().as_raw_fd());
        // SAFETY: a mapping at an address that the kernel chooses; the descriptor is open.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, access, libc::MAP_SHARED, fd, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        MappedRecording { file, page }
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Takes its name away.
    pub(super) fn delete(&self) {
        std::fs::remove_file(self.file.path()).expect("the folder can be written");
    }
}

impl Drop for MappedRecording {
    fn drop(&mut self) {
        // SAFETY: what was mapped; nothing refers to it.
        unsafe { libc::munmap(self.page, 4096) };
    }
}
