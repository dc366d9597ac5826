//! Hooks of the functions that make the process another program: what its recording does not use is given back before,
//! because nothing of us is left afterwards. Each jumps on to the real function; if that fails, recording goes on.

use super::stub::{Arguments, stub_before};
use crate::session::{SESSION, finish};

stub_before!(execve, Execve, before_exec);
stub_before!(execv, Execv, before_exec);
stub_before!(execvp, Execvp, before_exec);
stub_before!(execvpe, Execvpe, before_exec);
stub_before!(execl, Execl, before_exec);
stub_before!(execlp, Execlp, before_exec);
stub_before!(execle, Execle, before_exec);
stub_before!(fexecve, Fexecve, before_exec);

extern "C" fn before_exec(_: Arguments) -> usize {
    // Also finds the real functions, should this be the first hook of all.
    SESSION.is_recording();
    finish::give_back(&SESSION);
    0
}
