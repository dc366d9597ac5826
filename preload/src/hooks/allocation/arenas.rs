//! jemalloc's control calls that free all blocks of an arena: `arena.<i>.reset` and `arena.<i>.destroy`.

use core::ffi::{CStr, c_char};

use tm_common::functions::Function;

use super::allocators::call;
use super::shape::Arguments;

/// Tells whether `mallctl(name, ...)` resets an arena.
pub(super) fn is_reset(_: Function, &[name, ..]: &Arguments) -> bool {
    // SAFETY: the caller's, a C string or null.
    let name = unsafe { (name as *const c_char).as_ref() }.map(|name| unsafe { CStr::from_ptr(name) });
    let number = name.and_then(|name| {
        let rest = name.to_bytes().strip_prefix(b"arena.")?;
        rest.strip_suffix(b".reset").or_else(|| rest.strip_suffix(b".destroy"))
    });
    number.is_some_and(|number| !number.contains(&b'.'))
}

/// Tells whether `mallctlbymib(numbers, how many, ...)` does. The numbers of names are asked for: they are others in
/// other versions.
pub(super) fn is_reset_by_mib(function: Function, &[numbers, len, ..]: &Arguments) -> bool {
    if len != 3 || numbers == 0 {
        return false;
    }
    // SAFETY: the caller's, so many numbers.
    let numbers = unsafe { &*(numbers as *const [usize; 3]) };
    let find = if function == Function::Mallctlbymib {
        Function::Mallctlnametomib
    } else {
        Function::JeMallctlnametomib
    };
    [c"arena.0.reset", c"arena.0.destroy"].iter().any(|name| {
        let (mut found, mut len) = ([usize::MAX; 3], 3usize);
        let place = [name.as_ptr() as usize, found.as_mut_ptr() as usize, &raw mut len as usize, 0, 0, 0];
        call(find, place) as i32 == 0 && (found[0], found[2]) == (numbers[0], numbers[2])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whether_an_arena_is_reset() {
        let of = |name: &CStr| is_reset(Function::Mallctl, &[name.as_ptr() as usize, 0, 0, 0, 0, 0]);
        assert!(of(c"arena.0.reset") && of(c"arena.4095.destroy"));
        for name in [c"arena.0.purge", c"arenas.create", c"arena.0.x.reset", c"arena", c"", c"reset"] {
            assert!(!of(name), "{name:?}");
        }
        assert!(!is_reset(Function::Mallctl, &[0; 6]));
    }
}
