//! Little-endian numbers at fixed offsets of a short array.

/// The 16-bit number at `offset`; the array is known to be long enough.
pub(super) fn u16_at<const N: usize>(bytes: &[u8; N], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

/// The 32-bit number at `offset`.
pub(super) fn u32_at<const N: usize>(bytes: &[u8; N], offset: usize) -> u32 {
    u32::from(u16_at(bytes, offset)) | u32::from(u16_at(bytes, offset + 2)) << 16
}

/// The 64-bit number at `offset`.
pub(super) fn u64_at<const N: usize>(bytes: &[u8; N], offset: usize) -> u64 {
    u64::from(u32_at(bytes, offset)) | u64::from(u32_at(bytes, offset + 4)) << 32
}
