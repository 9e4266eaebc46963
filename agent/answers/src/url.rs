//! Text → a URL, by the rules that all URLs in the answers have in common.

use http::Uri;

use crate::value::{Invalid, quote};

/// Bytes of a URL. Longer ones would not fit on the kernel's command line, which has 2048.
pub(crate) const LONGEST: usize = 1024;

/// What a key's URLs are like.
pub(crate) struct Rules {
    /// The schemes, in small letters.
    pub(crate) schemes: &'static [&'static str],
    /// What is wrong with any other scheme.
    pub(crate) other_scheme: &'static str,
    /// What to write instead of something else.
    pub(crate) example: &'static str,
    /// What to do instead of naming a user.
    pub(crate) without_user: &'static str,
}

/// Parses a URL after RFC 3986 with a host name or an address, and without a user or a fragment.
pub(crate) fn parse(text: &str, rules: &Rules) -> Result<Uri, Invalid> {
    if text.len() > LONGEST {
        return Err(Invalid::new(format!("this URL has more than {LONGEST} characters")));
    }
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        // Not repeated: it may be a password.
        return Err(
            Invalid::new("this URL has a user name or a password in it").hint(rules.without_user)
        );
    }
    let refused = || {
        let shown = if text.contains('@') { "this".to_owned() } else { quote(text) };
        Invalid::new(format!("{shown} is not a URL")).hint(rules.example)
    };
    // What follows # would never reach the server.
    let uri: Uri = match text.contains('#') {
        false => text.parse().map_err(|_| refused())?,
        true => return Err(refused()),
    };
    if !uri.scheme_str().is_some_and(|scheme| rules.schemes.contains(&scheme)) {
        return Err(Invalid::new(rules.other_scheme).hint(rules.example));
    }
    let authority = uri.authority().ok_or_else(refused)?;
    let has_port = authority.as_str() != authority.host();
    if has_port && authority.port_u16().is_none_or(|port| port == 0) || authority.host().is_empty()
    {
        return Err(refused());
    }
    Ok(uri)
}

/// The host's name or address, the latter without brackets.
pub(crate) fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}
