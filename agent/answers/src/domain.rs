//! Text → [`SearchDomain`].

use crate::value::{Invalid, checked_text, quote};

checked_text! {
    /// A domain in which names without a dot are looked for: labels after RFC 1123.
    SearchDomain,
    pattern: "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
    check: check
}

/// Characters in a domain, RFC 1035 section 2.3.4, and in one label of it.
const LONGEST: (usize, usize) = (253, 63);

fn check(text: &str) -> Result<(), Invalid> {
    let is_label = |label: &str| {
        (1..=LONGEST.1).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > LONGEST.0 || !text.split('.').all(is_label) {
        return Err(Invalid::new(format!("{} is not a domain", quote(text)))
            .hint("write it like example.org, without a dot at its ends"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_taken_and_nothing_else() {
        for good in ["lan", "example.org", "a-b.example.org", "1.example"] {
            assert!(good.parse::<SearchDomain>().is_ok(), "{good}");
        }
        let long = ["a23456789"; 30].join(".");
        for bad in ["", ".", "a.", ".a", "a..b", "-a.b", "a b", "a;b", "~a", "ä.de", "a\n", &long]
        {
            assert!(bad.parse::<SearchDomain>().is_err(), "{bad:?}");
        }
    }
}
