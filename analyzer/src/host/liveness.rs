//! Whether a process still runs, for those that could not say that they ended: they were killed, or are another program
//! now. Only what the kernel tells everybody is looked at.

use std::fs;

use super::{Stat, Target, has_mapped};
use crate::text::raw_text;

/// A process, by what tells it from others of its pid. The default is none that runs.
#[derive(Clone, Debug, Default)]
pub struct Liveness {
    pid: u32,
    /// In clock ticks since boot; `None` if it could not be read when it began.
    start_ticks: Option<u64>,
    executable: Option<String>,
}

impl Liveness {
    /// The process `pid`, 0 for none, which started `start_ticks` after the boot and runs the program `executable`,
    /// as far as that is known.
    pub fn new(pid: u32, start_ticks: Option<u64>, executable: Option<String>) -> Liveness {
        Liveness { pid, start_ticks, executable }
    }

    /// The process is this one here: in a namespace of its own it has another pid for itself.
    pub fn set_target(&mut self, target: Target) {
        (self.pid, self.start_ticks) = (target.pid, Some(target.start_ticks));
    }

    /// Its pid here.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it started, if that is known.
    pub(super) fn start_ticks(&self) -> Option<u64> {
        self.start_ticks
    }

    /// Whether it runs, and is the program that it was.
    pub fn runs(&self) -> bool {
        let is_it =
            |stat: Stat| !stat.has_ended() && self.start_ticks.is_none_or(|start| stat.start_ticks == start);
        Stat::of(self.pid).is_some_and(is_it) && !self.is_another_program()
    }

    /// Whether it has executed another program. One that is seen from another root has a longer or shorter path; where its loader
    /// was told to start it, or an emulator runs it, the kernel names that as the process's program, and it is mapped.
    fn is_another_program(&self) -> bool {
        let Some(recorded) = self.executable.as_deref() else { return false };
        let Ok(found) = fs::read_link(format!("/proc/{}/exe", self.pid)) else { return false };
        let is_it = |found: &str| {
            // The kernel adds this if the file was deleted or replaced.
            let found = found.trim_end_matches(" (deleted)");
            found.ends_with(recorded) || recorded.ends_with(found)
        };
        !is_it(&raw_text::of_bytes(found.as_os_str().as_encoded_bytes())) && !has_mapped(self.pid, is_it)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    fn liveness(pid: u32, executable: Option<&str>) -> Liveness {
        let start_ticks = Stat::of(pid).map(|stat| stat.start_ticks);
        Liveness { pid, start_ticks, executable: executable.map(str::to_owned) }
    }

    #[test]
    fn a_program_that_its_loader_runs_is_no_other_one() {
        let cat = fs::canonicalize("/bin/cat").unwrap();
        let interpreter = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
        let interpreter = interpreter.iter().find(|path| fs::exists(path).unwrap()).unwrap();
        let mut command = Command::new(interpreter);
        let mut child = command.arg(&cat).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It answers once it is the program.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert!(liveness(child.id(), cat.to_str()).runs());
        assert!(!liveness(child.id(), Some("/bin/another")).runs());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_runs_until_it_ends_or_is_another_one() {
        let own = std::process::id();
        let program = fs::read_link("/proc/self/exe").unwrap().display().to_string();
        assert!(liveness(own, None).runs() && liveness(own, Some(&program)).runs());
        assert!(liveness(own, Some(&format!("/chroot{program}"))).runs());
        assert!(!liveness(own, Some("/bin/another")).runs());
        assert!(!Liveness { start_ticks: Some(1), ..liveness(own, None) }.runs());
        assert!(!Liveness::default().runs());

        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let liveness = liveness(child.id(), None);
        assert!(liveness.runs());
        child.kill().unwrap();
        while liveness.runs() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!liveness.runs());
    }
}
