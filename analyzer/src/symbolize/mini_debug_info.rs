//! Symbols that distributions pack into stripped files: `.gnu_debugdata`, an xz-compressed ELF file with a symbol table.

use std::io::{Cursor, Read};

use lzma_rust2::XzReader;
use object::read::{Object, ObjectSymbol};

/// Unpacked, it may have this many bytes: those of the largest programs have 20 MiB.
const BYTES_MAX: u64 = 256 << 20;

/// Functions, by their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MiniDebugInfo(Vec<(u64, u64, String)>);

impl MiniDebugInfo {
    /// Unpacks the contents of a section. What cannot be read is none.
    pub(super) fn unpack(packed: &[u8]) -> MiniDebugInfo {
        let mut bytes = Vec::new();
        let reader = XzReader::new(Cursor::new(packed), true);
        if reader.take(BYTES_MAX).read_to_end(&mut bytes).is_err() {
            return MiniDebugInfo::default();
        }
        let Ok(object) = object::File::parse(&*bytes) else { return MiniDebugInfo::default() };
        let functions = object.symbols().filter(|symbol| symbol.is_definition() && symbol.size() > 0);
        let mut functions: Vec<_> = functions
            .filter(|symbol| symbol.kind() == object::SymbolKind::Text)
            .filter_map(|symbol| {
                let end = symbol.address().checked_add(symbol.size())?;
                Some((symbol.address(), end, symbol.name().ok()?.to_owned()))
            })
            .collect();
        functions.sort();
        MiniDebugInfo(functions)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The symbol of the function at `offset`.
    pub(super) fn symbol(&self, offset: u64) -> Option<&str> {
        let after = self.0.partition_point(|(start, ..)| *start <= offset);
        let (_, end, name) = self.0.get(..after)?.last()?;
        (offset < *end).then_some(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_packed_is_nothing() {
        assert_eq!(MiniDebugInfo::unpack(b""), MiniDebugInfo::default());
        assert_eq!(
            MiniDebugInfo::unpack(b"\xfd7zXZ\0 and then nothing of the kind"),
            MiniDebugInfo::default()
        );
    }

    #[test]
    fn a_symbol_is_that_of_its_addresses_alone() {
        let symbols = MiniDebugInfo(vec![(10, 20, "f".to_owned()), (30, 31, "g".to_owned())]);
        let found = [9, 10, 19, 20, 30, 31].map(|offset| symbols.symbol(offset));
        assert_eq!(found, [None, Some("f"), Some("f"), None, Some("g"), None]);
    }
}
