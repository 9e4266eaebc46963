//! Numbers → words that people read.

pub mod clock;

/// A size as hypervisors and `lsblk` show it: in powers of 1024, rounded down.
pub fn size(bytes: u64) -> String {
    in_units(bytes, |bytes, unit| bytes / unit)
}

/// A size that is needed: as [`size`], but rounded up. What is too small never reads the same.
pub fn size_needed(bytes: u64) -> String {
    in_units(bytes, u128::div_ceil)
}

fn in_units(bytes: u64, divide: fn(u128, u128) -> u128) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog2() / 10;
    let (bytes, unit, name) = (u128::from(bytes), 1 << (10 * power), UNITS[power as usize - 1]);
    let tenths = divide(bytes * 10, unit);
    // The tenth says something only where there is a rest.
    if tenths < 100 && bytes % unit != 0 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", divide(bytes, unit))
    }
}

/// A duration, in at most two units.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A text without characters that a terminal would obey.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_hypervisors_show() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1 KiB");
        assert_eq!(size(64 << 30), "64 GiB");
        assert_eq!(size(2_030_516 << 10), "1.9 GiB");
        assert_eq!(size(256_060_514_304), "238 GiB");
        assert_eq!(size(u64::MAX), "15 EiB");
    }

    #[test]
    fn what_is_too_small_never_reads_like_what_is_needed() {
        for needed in [1 << 20, 900_000_000, 1_000_000_000, 8_000_000_000, 8 << 30, 10 << 30] {
            for missing in [1, 1 << 19] {
                assert_ne!(size(needed - missing), size_needed(needed), "{needed} - {missing}");
            }
        }
        assert_eq!(
            (size_needed(1_000_000_000), size_needed(8 << 30)),
            ("954 MiB".into(), "8 GiB".into())
        );
    }

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(3725), "1 h 2 min");
    }
}
