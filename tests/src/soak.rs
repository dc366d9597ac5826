//! Short and long forms of a test: one place decides which is meant.

/// Whether the long forms were asked for, as `scripts/soak` does with `TM_SOAK=1`.
pub fn is_long() -> bool {
    std::env::var_os("TM_SOAK").is_some_and(|value| value == "1")
}

/// How often to do something that proves the more, the oftener it is done.
pub fn times(short: u32, long: u32) -> u32 {
    if is_long() { long } else { short }
}
