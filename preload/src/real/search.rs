//! Where the functions are looked for that the hooks stand in front of: it depends on how this library came.

use crate::sys::objects::elf::Symbols;
use crate::sys::objects::link_map::LinkMap;

/// The objects that are searched, by where this library stands among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Preloaded or linked, this library stands in front of the C library: the objects after it, which `RTLD_NEXT` means
    /// here. What stands before it may hand calls on to it, so a function from there could call itself.
    AfterUs,
    /// Loaded by `dlopen`, this library stands behind the C library, and the program's calls are bound to others: the
    /// objects whose functions these calls reach, all but this library.
    AllOthers,
}

impl Search {
    /// Finds out where this library stands. The answer is the same as long as the process lives: objects are added at the
    /// end of the loader's list, and the C library stays.
    pub fn here() -> Search {
        let is_c_library = |map: &'static LinkMap| {
            Symbols::of(map).is_some_and(|it| it.function(c"__libc_start_main").is_some())
        };
        let first = LinkMap::all().find(|map| map.is_ours() || is_c_library(map));
        if first.is_some_and(LinkMap::is_ours) { Search::AfterUs } else { Search::AllOthers }
    }
}
