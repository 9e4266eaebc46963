//! The patterns of the option `from` → whether sshd can match them against anything.
//!
//! As `addr_match_list()` in OpenSSH's `addrmatch.c`: an empty pattern or a network with bits beyond
//! its mask makes the whole list invalid, and the key is never accepted. Anything that is no address
//! is a pattern for host names.

use std::net::{IpAddr, Ipv4Addr};

/// The longest text that is looked at as a network: a buffer of 64 bytes in `addr_pton_cidr()`.
const LONGEST: usize = 63;

/// What is wrong with a list of patterns.
pub(super) fn check(list: &str) -> Option<String> {
    list.split(',').find_map(|pattern| {
        let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
        if pattern.is_empty() {
            return Some("has an empty pattern".to_owned());
        }
        let (address, length) = network(pattern)?;
        let (bits, width) = match address {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let host_bits = width - length.unwrap_or(width).min(width);
        let host = bits & u128::MAX.checked_shr(128 - host_bits).unwrap_or(0);
        let good = length.unwrap_or(width) <= width && host == 0;
        (!good).then(|| "has a network whose address does not fit its mask".to_owned())
    })
}

/// Address and mask of a pattern that is a network or an address.
fn network(pattern: &str) -> Option<(IpAddr, Option<u32>)> {
    if pattern.len() > LONGEST {
        return None;
    }
    let (address, length) = match pattern.split_once('/') {
        Some((address, length)) => {
            let only_digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
            let length = length.parse().ok().filter(|length| only_digits && *length <= 128)?;
            (address, Some(length))
        }
        None => (pattern, None),
    };
    let parsed = address.parse().ok().or_else(|| Some(IpAddr::V4(short(address)?)))?;
    Some((parsed, length))
}

/// An address of one to four numbers, as inet_aton(3) reads it: the last one fills what is left.
fn short(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let width = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?)?;
    let fits = width > 0 && (width == 32 || *last < 1 << width) && first.iter().all(|p| *p < 256);
    let high = first.iter().enumerate().map(|(at, part)| part << (24 - 8 * at)).sum::<u32>();
    fits.then(|| Ipv4Addr::from(high | last))
}

fn part(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None if text.starts_with('+') => None,
        None => text.parse().ok(),
    }
}
