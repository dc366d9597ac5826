//! `/proc/PID/status`, as far as it says whether and by whom a process may be traced.

use std::fs;

/// What is said of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its program's name.
    pub name: String,
    /// What it does, by the kernel's letter.
    pub state: Option<char>,
    /// The user as which it acts.
    pub user: u32,
    /// The group as which it acts.
    pub group: u32,
    /// The process that traces it, 0 for none.
    pub tracer: u32,
    /// 0 none, 1 strict, 2 filters.
    pub seccomp: u32,
    /// How many filters it has, as far as the kernel says so.
    pub n_filters: u32,
    /// It has memory of its own: it is no thread of the kernel's.
    pub has_memory: bool,
    /// The capabilities that it has.
    pub capabilities: u64,
}

/// `CAP_SYS_PTRACE`.
const PTRACE: u64 = 1 << 19;

impl Status {
    /// Reads that of process `pid`; `None` if there is none.
    pub fn of(pid: u32) -> Option<Status> {
        fs::read_to_string(format!("/proc/{pid}/status")).ok().map(|text| Status::parse(&text))
    }

    /// Reads that of this process.
    pub fn own() -> Status {
        Status::of(std::process::id()).unwrap_or_default()
    }

    fn parse(text: &str) -> Status {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let number = |name: &str, place: usize| {
            field(name).and_then(|value| value.split_whitespace().nth(place)?.parse().ok()).unwrap_or(0)
        };
        Status {
            name: field("Name:").unwrap_or_default().to_owned(),
            state: field("State:").and_then(|state| state.chars().next()),
            user: number("Uid:", 1),
            group: number("Gid:", 1),
            tracer: number("TracerPid:", 0),
            seccomp: number("Seccomp:", 0),
            n_filters: number("Seccomp_filters:", 0),
            has_memory: field("VmSize:").is_some(),
            capabilities: field("CapEff:").and_then(|value| u64::from_str_radix(value, 16).ok()).unwrap_or(0),
        }
    }

    /// Reads those of the threads of process `pid`, as far as they are there.
    pub fn of_threads(pid: u32) -> Vec<Status> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        threads
            .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
            .map(|text| Status::parse(&text))
            .filter(|status| !matches!(status.state, Some('Z' | 'X')))
            .collect()
    }

    /// How its system calls are filtered: the mode, and the number of filters.
    pub fn filtering(&self) -> (u32, u32) {
        (self.seccomp, self.n_filters)
    }

    /// Whether it may trace processes of other users.
    pub fn may_trace_others(&self) -> bool {
        self.capabilities & PTRACE != 0
    }
}

/// Why the kernel does not let us trace process `pid`, and what to do.
pub fn why_forbidden(pid: u32, target: &Status, own: &Status) -> String {
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let yama: u32 = yama.trim().parse().unwrap_or(0);
    let still = "what works without is to start it anew with 'tmtool run'";
    if target.tracer != 0 {
        let tracer = Status::of(target.tracer).map(|status| status.name).unwrap_or_default();
        return format!(
            "process {pid} is traced by process {} ({tracer}) already; end that first",
            target.tracer
        );
    }
    if own.may_trace_others() {
        return match yama {
            3 => format!(
                "nobody may trace a process here (kernel.yama.ptrace_scope is 3, until the next boot); {still}"
            ),
            _ => format!(
                "process {pid} may not be traced, though tmtool has the right (CAP_SYS_PTRACE): a filter of this container \
                 or a security module forbids it; run tmtool on the host, or {still}"
            ),
        };
    }
    if target.user != own.user {
        return format!(
            "process {pid} is another user's (uid {}); run tmtool as that user or as root",
            target.user
        );
    }
    match yama {
        1 => format!(
            "process {pid} may not be traced, since kernel.yama.ptrace_scope is 1 and it is no child of tmtool; run tmtool \
             as root, or set it to 0 ('sysctl kernel.yama.ptrace_scope=0'); {still}"
        ),
        2 => "only root may trace a process here (kernel.yama.ptrace_scope is 2); run tmtool as root"
            .to_owned(),
        3 => format!(
            "nobody may trace a process here (kernel.yama.ptrace_scope is 3, until the next boot); {still}"
        ),
        _ => format!(
            "process {pid} may not be traced: it has gained rights or given up being looked at (prctl PR_SET_DUMPABLE), or \
             this container lacks CAP_SYS_PTRACE; run tmtool as root, in a container with --cap-add SYS_PTRACE; {still}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_read_and_the_reason_is_named() {
        let text = "Name:\tx y\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nTracerPid:\t0\nVmSize:\t 8 kB\nCapEff:\t0000000000080000\n\
                    Seccomp:\t2\nSeccomp_filters:\t3\n";
        let status = Status::parse(text);
        assert_eq!(
            (status.name.as_str(), status.user, status.group, status.seccomp, status.n_filters),
            ("x y", 2, 6, 2, 3)
        );
        assert!(status.has_memory && status.may_trace_others());
        assert_eq!(Status::parse(""), Status::default());
        let own = Status { user: 7, ..Status::default() };
        let reason = |target: &Status, own: &Status| why_forbidden(9, target, own);
        assert!(reason(&status, &own).starts_with("process 9 is another user's (uid 2); run tmtool as"));
        let traced = Status { tracer: std::process::id(), ..Status::default() };
        assert!(reason(&traced, &own).contains("is traced by process "));
    }
}
