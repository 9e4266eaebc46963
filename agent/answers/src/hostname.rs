//! Text → [`Hostname`].

use crate::value::{Invalid, checked_text, quote};

checked_text! {
    /// The installed system's host name: one label after RFC 1123, without a domain.
    ///
    /// `networking.hostName` in NixOS allows an underscore as well, but warns of it. `localhost`
    /// would be taken by nss-myhostname for the loopback address.
    Hostname,
    pattern: "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
    check: check
}

/// Characters in a DNS label, RFC 1035 section 2.3.4.
const LONGEST: usize = 63;

fn check(text: &str) -> Result<(), Invalid> {
    let shown = quote(text);
    if text.is_empty() {
        return Err(Invalid::new("the host name is empty").hint("leave the key out instead"));
    }
    if let Some((first, _)) = text.split_once('.') {
        let error = Invalid::new(format!("{shown} has a domain part"));
        return Err(error.hint(format!("only the first label is wanted: {}", quote(first))));
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        let error = Invalid::new(format!("{shown} is not a host name: it has {odd:?} in it"));
        return Err(error.hint("letters, digits and hyphens may be in it"));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(Invalid::new(format!("{shown} is not a host name: a hyphen is at its end"))
            .hint("it begins and ends with a letter or a digit"));
    }
    if text.len() > LONGEST {
        let length = text.len();
        return Err(Invalid::new(format!(
            "{shown} is not a host name: it has {length} characters"
        ))
        .hint(format!("it may have {LONGEST}")));
    }
    if text.eq_ignore_ascii_case("localhost") {
        return Err(Invalid::new("\"localhost\" is every machine's name for itself")
            .hint("choose another one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_taken_and_nothing_else() {
        let longest = "a".repeat(63);
        for good in ["a", "nixvm", "Build-7", "3com", "x--y", longest.as_str()] {
            assert_eq!(good.parse::<Hostname>().unwrap().as_str(), good);
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            "-a",
            "a-",
            "a.b",
            "a_b",
            "a b",
            "ä",
            "a\n",
            "localhost",
            "LocalHost",
            "${x}",
            long.as_str(),
        ] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_domain_is_named_as_what_is_too_much() {
        let error = "web.example.org".parse::<Hostname>().unwrap_err();
        assert_eq!(error.hint.unwrap(), "only the first label is wanted: \"web\"");
    }
}
