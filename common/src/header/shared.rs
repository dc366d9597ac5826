//! Room that the processes of a recording share where it has a limit.

/// What processes of a recording take room from together: who has none left looks at what another one has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedRoom {
    /// An extent that no stream has for itself.
    Extent,
    /// A segment of stacks.
    Stacks,
    /// A segment of metadata.
    Metadata,
}

/// The number of kinds of [`SharedRoom`].
pub const SHARED_ROOMS: usize = 3;
