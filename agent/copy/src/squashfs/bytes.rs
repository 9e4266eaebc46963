//! Little-endian numbers at fixed places of a short array.

/// The 16-bit number at `place`; the array is known to be long enough.
pub(super) fn u16_at<const N: usize>(bytes: &[u8; N], place: usize) -> u16 {
    u16::from_le_bytes([bytes[place], bytes[place + 1]])
}

/// The 32-bit number at `place`.
pub(super) fn u32_at<const N: usize>(bytes: &[u8; N], place: usize) -> u32 {
    u32::from(u16_at(bytes, place)) | u32::from(u16_at(bytes, place + 2)) << 16
}

/// The 64-bit number at `place`.
pub(super) fn u64_at<const N: usize>(bytes: &[u8; N], place: usize) -> u64 {
    u64::from(u32_at(bytes, place)) | u64::from(u32_at(bytes, place + 4)) << 32
}
