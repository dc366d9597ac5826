//! Names that are not shown whole: with a mark, and a number that no other function's name gets.

/// The most bytes of a readable name. A symbol of 250 characters can stand for a name of gigabytes.
pub(super) const NAME_BYTES_MAX: usize = 16 << 10;

/// `start` as a name for `symbol`, the rest of which is left out. Two symbols get two names whatever their starts are, and one
/// symbol gets the same name in every build.
pub(super) fn cut(start: &str, symbol: &str) -> String {
    let mut end = start.len().min(NAME_BYTES_MAX);
    while !start.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", start.get(..end).unwrap_or_default(), mark(symbol))
}

/// What stands for the part that is left out: `…#` and 32 bits of the symbol's FNV-1a hash.
pub(super) fn mark(symbol: &str) -> String {
    let hash = symbol
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("…#{:08x}", (hash >> 32) as u32 ^ hash as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_starts_of_two_symbols_are_two_names() {
        let long = "ä".repeat(NAME_BYTES_MAX);
        let name = cut(&long, "_Z1av");
        assert!(name.len() < NAME_BYTES_MAX + 16 && name.starts_with('ä'));
        assert_ne!(name, cut(&long, "_Z1bv"));
        assert_eq!(name, cut(&long, "_Z1av"));
    }
}
