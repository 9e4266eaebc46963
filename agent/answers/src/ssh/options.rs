//! The options before a key of `authorized_keys` → whether sshd takes the line.
//!
//! The grammar is that of `sshauthopt_parse()` in OpenSSH's `auth-options.c` and of what it calls:
//! keywords in any case, values between double quotes in which only `\"` is an escape, and commas
//! between options, of which there may be too many. `agent/tests/oracles/sshd.rs` compares it with a
//! running sshd.

use std::time::{Duration, SystemTime};

use super::{addresses, time};

/// Options that are said by their name alone, and whether `no-` may stand before it.
const FLAGS: [(&str, bool); 9] = [
    ("restrict", false),
    ("cert-authority", false),
    ("port-forwarding", true),
    ("agent-forwarding", true),
    ("x11-forwarding", true),
    ("touch-required", true),
    ("verify-required", true),
    ("pty", true),
    ("user-rc", true),
];

/// Options with a value, and what is wrong with it.
const VALUES: [(&str, Check); 8] = [
    ("command", |_| None),
    ("principals", |_| None),
    ("from", addresses::check),
    ("expiry-time", expiry),
    ("environment", environment),
    ("permitopen", |value| permit(value, false)),
    ("permitlisten", |value| permit(value, true)),
    ("tunnel", tunnel),
];

/// Options of which sshd takes only one.
const ONCE: [&str; 3] = ["command", "principals", "from"];

type Check = fn(&str) -> Option<String>;

/// The longest host name of `permitopen`: glibc's `NI_MAXHOST`, with the zero at its end.
const LONGEST_HOST: usize = 1025;

/// The highest number of a tunnel device, OpenSSH's `SSH_TUNID_MAX`.
const LAST_TUNNEL: u32 = 0x7fff_fffd;

/// Services that may stand for a port's number: what sshd takes depends on the system's
/// `/etc/services`, and these are in every one.
const SERVICES: [&str; 14] = [
    "ftp", "ssh", "telnet", "smtp", "domain", "http", "pop3", "ntp", "imap2", "snmp", "ldap",
    "https", "imaps", "pop3s",
];

/// Where options end: at the first blank outside of quotes; None if a quote is not closed.
pub(super) fn end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b' ' | b'\t' if !quoted => return Some(at),
            b'\\' if text.as_bytes().get(at + 1) == Some(&b'"') => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    (!quoted).then_some(text.len())
}

/// Checks options, which end where `text` ends.
///
/// # Errors
/// What sshd refuses, in words that go on from "this SSH key".
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    let mut seen: Vec<&str> = Vec::new();
    let mut authority = false;
    while !rest.is_empty() {
        if let Some(after) = flag(rest) {
            authority |= strip(rest, "cert-authority").is_some();
            rest = after;
        } else if let Some((name, check, after)) = value(rest) {
            let Some((value, after)) = dequote(after) else {
                return Err(format!(
                    "has an option {name} whose value is not in \"double quotes\""
                ));
            };
            if ONCE.contains(&name) && seen.contains(&name) {
                return Err(format!("has the option {name} twice"));
            }
            if let Some(why) = check(&value) {
                return Err(format!("has an option {name} that {why}"));
            }
            seen.push(name);
            rest = after;
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => {}
            None => return Err("has options that sshd does not know".to_owned()),
        }
    }
    // Only a certificate has principals, and only an authority's line is looked at for one.
    if seen.contains(&"principals") && !authority {
        return Err("has the option principals without cert-authority".to_owned());
    }
    Ok(())
}

/// What comes after the flag that `text` begins with.
fn flag(text: &str) -> Option<&str> {
    FLAGS.iter().find_map(|(name, negatable)| {
        let positive = strip(text, "no-").filter(|_| *negatable).unwrap_or(text);
        strip(positive, name)
    })
}

/// The option with a value that `text` begins with, and what comes after its `=`.
fn value(text: &str) -> Option<(&'static str, Check, &str)> {
    VALUES
        .iter()
        .find_map(|(name, check)| Some((*name, *check, strip(text, name)?.strip_prefix('=')?)))
}

/// `text` without `prefix`, in whichever case.
fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The value between quotes, and what comes after it.
fn dequote(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' if inner[at + 1..].starts_with('"') => {
                characters.next();
                value.push('"');
            }
            other => value.push(other),
        }
    }
    None
}

fn expiry(value: &str) -> Option<String> {
    let Some(seconds) = time::absolute(value) else {
        return Some("is no time such as 20301231 or 202812312359Z".to_owned());
    };
    // sshd reads it in the installed system's time zone: a day leaves room for any.
    let expired = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.saturating_add(86_400));
    (expired < SystemTime::now()).then(|| "has passed, so the key has expired".to_owned())
}

fn environment(value: &str) -> Option<String> {
    let name = value.split_once('=').map_or("", |(name, _)| name);
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (!good).then(|| "is not NAME=VALUE".to_owned())
}

fn permit(value: &str, bare_port: bool) -> Option<String> {
    let wrong = || Some("is not HOST:PORT".to_owned());
    let (host, port) = match value {
        port if bare_port && !port.contains(':') => ("*", port),
        value if value.starts_with('[') => match value.split_once(']') {
            Some((host, rest)) if rest.starts_with([':', '/']) => (host, &rest[1..]),
            _ => return wrong(),
        },
        value => match value.split_once([':', '/']) {
            Some(parts) => parts,
            None => return wrong(),
        },
    };
    let is_port = port == "*"
        || number(port).is_some_and(|number| (1..=65_535).contains(&number))
        || SERVICES.contains(&port);
    if host.len() < LONGEST_HOST && is_port { None } else { wrong() }
}

fn tunnel(value: &str) -> Option<String> {
    let good = value.eq_ignore_ascii_case("any")
        || number(value).is_some_and(|number| number <= u64::from(LAST_TUNNEL));
    (!good).then(|| "is neither \"any\" nor a number".to_owned())
}

/// A number as strtoll(3) reads it, which `strtonum` of OpenSSH uses.
fn number(text: &str) -> Option<u64> {
    let text = text.trim_start_matches([' ', '\t']);
    let digits = text.strip_prefix('+').unwrap_or(text);
    let only_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    only_digits.then(|| digits.parse().ok()).flatten()
}
