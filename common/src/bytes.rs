//! Little-endian numbers at fixed places of a byte slice. A place beyond the end reads as an error, never a panic.

use crate::error::DecodeError;

/// Returns the `N` bytes at `offset`.
///
/// # Errors
/// They are beyond the end.
pub fn array<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], DecodeError> {
    let end = offset.checked_add(N).ok_or(DecodeError::Truncated)?;
    let slice = bytes.get(offset..end).ok_or(DecodeError::Truncated)?;
    slice.try_into().map_err(|_| DecodeError::Truncated)
}

/// Returns the byte at `offset`.
///
/// # Errors
/// It is beyond the end.
pub fn u8_at(bytes: &[u8], offset: usize) -> Result<u8, DecodeError> {
    array::<1>(bytes, offset).map(|[byte]| byte)
}

/// Returns the 16-bit number at `offset`.
///
/// # Errors
/// It is beyond the end.
pub fn u16_at(bytes: &[u8], offset: usize) -> Result<u16, DecodeError> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// Returns the 32-bit number at `offset`.
///
/// # Errors
/// It is beyond the end.
pub fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, DecodeError> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// Returns the 64-bit number at `offset`.
///
/// # Errors
/// It is beyond the end.
pub fn u64_at(bytes: &[u8], offset: usize) -> Result<u64, DecodeError> {
    array(bytes, offset).map(u64::from_le_bytes)
}
