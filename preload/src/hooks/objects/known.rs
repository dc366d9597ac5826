//! The addresses of all real functions, sorted: most slots of an object hold others, and their names need not be compared.

use tm_common::functions::Function;

use crate::real;

/// A function's number is a byte.
const N_MAX: usize = 1 << 8;

/// Known addresses; those behind the first `len` are 0.
pub(super) struct Known {
    sorted: [usize; N_MAX],
    len: usize,
}

impl Known {
    /// Returns those that are known now.
    pub fn now() -> Known {
        let mut known = Known { sorted: [0; N_MAX], len: 0 };
        let addresses = Function::ALL.iter().map(|&function| real::known(function) as usize);
        for (place, address) in known.sorted.iter_mut().zip(addresses.filter(|&address| address != 0)) {
            *place = address;
            known.len += 1;
        }
        if let Some(addresses) = known.sorted.get_mut(..known.len) {
            addresses.sort_unstable();
        }
        known
    }

    /// Tells whether a real function is at `address`.
    pub fn has(&self, address: usize) -> bool {
        self.sorted.get(..self.len).is_some_and(|sorted| sorted.binary_search(&address).is_ok())
    }
}
