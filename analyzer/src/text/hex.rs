//! Bytes in hexadecimal digits.

/// `bytes` as digits: a build id as tools write it.
///
/// ```
/// assert_eq!(tm_analyzer::text::hex(&[0xde, 0x0a]), "de0a");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
