//! Newtypes for every number that crosses a function boundary: an id of one kind cannot be passed for another.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $inner);
    };
}

id! {
    /// A node of the stack table: the innermost frame of a stack, whose parents are its callers.
    ///
    /// The upper 20 bits are the number of the stack segment, the lower 12 the node's place in it in units of
    /// 16 bytes (places 0 to 3 are the segment's header). 0 is "no stack".
    StackId(u32)
}
id! {
    /// A process of the recording, numbered from 0 in the order in which they began to record.
    ProcessIndex(u32)
}
id! {
    /// A thread of the recording, numbered from 0 over all processes. Never reused, unlike the kernel's tid.
    ThreadIndex(u32)
}
id! {
    /// A stream: one writer's chain of event segments, numbered from 0 over all processes.
    StreamIndex(u32)
}
id! {
    /// A tag that threads put on their events, numbered from 1 over all processes; 0 is none.
    TagIndex(u32)
}
id! {
    /// An address space that blocks are in, as events name it: 0 is the C allocator's, 1 that of memory mappings, the
    /// others are domains in the order of their first use.
    Space(u8)
}
id! {
    /// A domain as users number address spaces (tracemalloc's word), see [`Space`].
    Domain(u32)
}
id! {
    /// A span in which no address of a process changed its module: the meaning of a code address.
    Epoch(u32)
}
id! {
    /// A code object of a Python interpreter, numbered from 1 over all processes. Never reused.
    CodeIndex(u32)
}
id! {
    /// An address in the address space of a recorded process.
    Address(u64)
}
id! {
    /// A moment in units of the recording's clock, see [`crate::header::Clock`].
    Stamp(u64)
}

impl TagIndex {
    /// No tag.
    pub const NONE: TagIndex = TagIndex(0);
}

impl Space {
    /// Blocks of `malloc` and its relatives.
    pub const HEAP: Space = Space(0);
    /// Ranges of `mmap` and its relatives.
    pub const MAPPINGS: Space = Space(1);
    /// The first of those that the program names.
    pub const FIRST_OWN: Space = Space(2);
    /// The most that there can be: events have a byte for them, and tables by them stay small.
    pub const COUNT_MAX: usize = 256;
}

impl Domain {
    /// The domain of [`Space::HEAP`]: tracemalloc's own domain has number 0 too.
    pub const HEAP: Domain = Domain(0);
    /// The domain of [`Space::MAPPINGS`]: "mmap" as a number. Programs number their domains from 1 or take some such
    /// constant.
    pub const MAPPINGS: Domain = Domain(0x6d6d_6170);
    /// Blocks of CPython's own allocators, "pyob" as a number. tracemalloc, which sees no others, has them in domain 0.
    pub const PYTHON: Domain = Domain(0x7079_6f62);
    /// Blocks of Boehm's garbage collector, "coll" as a number: what it frees itself is not seen.
    pub const COLLECTOR: Domain = Domain(0x636f_6c6c);

    /// Those that have a name of ours.
    pub const BUILT_IN: [(Domain, &'static str); 4] = [
        (Domain::HEAP, "heap"),
        (Domain::MAPPINGS, "mmap"),
        (Domain::PYTHON, "python"),
        (Domain::COLLECTOR, "gc"),
    ];

    /// Returns our name of a domain; `None` of the program's own.
    #[must_use]
    pub fn built_in_name(self) -> Option<&'static str> {
        Domain::BUILT_IN.iter().find(|(domain, _)| *domain == self).map(|(_, name)| *name)
    }
}

impl StackId {
    /// No stack: the event's stack could not be kept.
    pub const NONE: StackId = StackId(0);
    const SLOT_BITS: u32 = 12;

    /// Makes the node in place `slot` of the stack segment number `segment`.
    #[must_use]
    pub const fn new(segment: u32, slot: u32) -> StackId {
        StackId(segment << Self::SLOT_BITS | slot & ((1 << Self::SLOT_BITS) - 1))
    }

    /// Returns the number of the stack segment that holds the node.
    #[must_use]
    pub const fn segment(self) -> u32 {
        self.0 >> Self::SLOT_BITS
    }

    /// Returns the node's place in its segment, in units of 16 bytes from the segment's start.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0 & ((1 << Self::SLOT_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_id_is_segment_and_slot() {
        let id = StackId::new(3, 4095);
        assert_eq!((id.segment(), id.slot()), (3, 4095));
        assert_eq!(StackId::new(0, 0), StackId::NONE);
    }
}
