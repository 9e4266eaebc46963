//! A time as OpenSSH's `parse_absolute_time()` reads it → seconds since 1970.

/// Seconds since 1970 of `YYYYMMDD[HHMM[SS]][Z]`, as if all were UTC; none if sshd refuses it.
pub(super) fn absolute(text: &str) -> Option<u64> {
    let digits = match text.len() {
        length if length > 3 && text.get(length - 3..)?.eq_ignore_ascii_case("UTC") => {
            &text[..length - 3]
        }
        length if length > 1 && text.ends_with(['Z', 'z']) => &text[..length - 1],
        _ => text,
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let field = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |d| d.parse().ok());
    let (year, month, day): (u64, u64, u64) = (field(0, 4)?, field(4, 6)?, field(6, 8)?);
    let (hour, minute, second): (u64, u64, u64) = (field(8, 10)?, field(10, 12)?, field(12, 14)?);
    // strptime(3)'s ranges: it does not know how long a month is.
    let good = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    if !good || second > 61 || year < 1970 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    (seconds > 0).then_some(seconds)
}

/// Days since 1970-01-01 in the Gregorian calendar, by counting from a March.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(absolute("20240229"), Some(1_709_164_800));
        assert_eq!(absolute("20240229120001Z"), Some(1_709_208_001));
        assert_eq!(absolute("203801190314UTC"), Some(2_147_483_640));
        for bad in ["", "2024", "20241301", "20240132", "202402292460", "2024-02-29", "19700101"] {
            assert_eq!(absolute(bad), None, "{bad}");
        }
    }
}
