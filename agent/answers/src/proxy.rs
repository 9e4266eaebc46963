//! Text → [`Proxy`].

use std::net::Ipv6Addr;

use http::Uri;

use crate::domain::SearchDomain;
use crate::url;
use crate::value::{Invalid, checked_text, quote};

checked_text! {
    /// An HTTP proxy as curl(1), and with it Nix, takes it in `http_proxy` and `https_proxy`:
    /// `http://HOST:PORT`, or `https://HOST:PORT` for a proxy that is spoken to over TLS. It is NixOS's
    /// `networking.proxy.default`, which gives it to programs in these variables.
    ///
    /// The port has to be written, since programs disagree on the one that is meant without: for curl it
    /// is 1080, for wget 80.
    Proxy,
    pattern: "^https?://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}/?$",
    check: check
}

const RULES: url::Rules = url::Rules {
    schemes: &["http", "https"],
    other_scheme: "a proxy's URL begins with http:// or https://",
    example: "write http://HOST:PORT",
    without_user: "they would be in the Nix store, which every user can read: use a proxy that needs none",
};

fn check(text: &str) -> Result<(), Invalid> {
    let uri = url::parse(text, &RULES)?;
    let refused =
        |what: &str| Err(Invalid::new(format!("{} {what}", quote(text))).hint(RULES.example));
    // As it is written, it reaches shells and programs which know the small letters alone.
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(Invalid::new(RULES.other_scheme).hint(RULES.example));
    }
    if uri.port_u16().is_none() {
        return refused("has no port, and programs disagree on the one that is meant then");
    }
    if uri.path_and_query().is_some_and(|rest| rest.as_str() != "/") {
        return refused("has a path or a query, which a proxy's URL does not have");
    }
    let host = url::host(&uri);
    let is_bracketed = uri.host().is_some_and(|host| host.starts_with('['));
    let is_host = match is_bracketed {
        true => host.parse::<Ipv6Addr>().is_ok(),
        false => host.parse::<SearchDomain>().is_ok(),
    };
    if !is_host {
        return refused("names no host: a name or an address has to be there");
    }
    Ok(())
}

impl Proxy {
    fn uri(&self) -> Uri {
        // The text has been parsed once.
        self.as_str().parse().unwrap_or_default()
    }

    /// The host's name or address, the latter without brackets.
    pub fn host(&self) -> String {
        url::host(&self.uri()).to_owned()
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.uri().port_u16().unwrap_or_default()
    }

    /// Whether it is spoken to over TLS.
    pub fn is_over_tls(&self) -> bool {
        self.as_str().starts_with("https:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::tests::assert_refused;

    #[test]
    fn a_proxy_is_taken_apart_as_it_is_connected() {
        for (text, host, port, is_over_tls) in [
            ("http://proxy.example:3128", "proxy.example", 3128, false),
            ("http://10.0.2.2:80/", "10.0.2.2", 80, false),
            ("https://proxy:443", "proxy", 443, true),
            ("http://[fd00::2]:8080", "fd00::2", 8080, false),
        ] {
            let proxy: Proxy = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = (proxy.host(), proxy.port(), proxy.is_over_tls());
            assert_eq!(found, (host.to_owned(), port, is_over_tls));
            assert_eq!(proxy.as_str(), text);
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_what_to_write() {
        assert_refused::<Proxy>(&[
            ("", "is not a URL; write http://HOST:PORT"),
            ("http://", "is not a URL"),
            ("http://:3128", "is not a URL"),
            ("http://proxy:0", "is not a URL"),
            ("http://proxy:", "is not a URL"),
            ("http://proxy:70000", "is not a URL"),
            ("http://pro xy:3128", "is not a URL"),
            ("http://proxy:3128/#a", "is not a URL"),
            ("http://proxy\u{1b}:3128", "is not a URL"),
            ("proxy:3128", "begins with http:// or https://"),
            ("/proxy", "begins with http:// or https://"),
            ("socks5://proxy:1080", "begins with http:// or https://"),
            ("HTTP://proxy:3128", "begins with http:// or https://"),
            ("http://proxy", "has no port"),
            ("http://proxy/", "has no port"),
            ("http://proxy:3128/a", "has a path or a query"),
            ("http://proxy:3128?a=b", "has a path or a query"),
            ("http://[10.0.2.2]:3128", "names no host"),
            ("http://-a:3128", "names no host"),
        ]);
    }

    /// A shell reads the value from a file, and systemd from a unit.
    #[test]
    fn nothing_in_a_host_means_anything_to_a_shell_or_to_systemd() {
        for host in ["$(id)", "a$b", "a;b", "a'b", "a%n", "a&b", "a(b)", "a*", "`id`", "a\"b"] {
            assert!(format!("http://{host}:3128").parse::<Proxy>().is_err(), "{host}");
        }
    }

    #[test]
    fn a_password_is_refused_for_where_it_would_be_and_not_repeated() {
        for text in [
            "http://ada:hunter2@proxy:3128",
            "http://ada:hunter2@proxy",
            "ada:hunter2@proxy:3128",
            "http://ada:hunter2@proxy:3128/#a",
            "http://ada:hunt er2@proxy:3128",
        ] {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(error.contains("the Nix store, which every user can read"), "{error}");
            assert!(!error.contains("hunt"), "{error}");
        }
        // Where the password has what would end it.
        for text in ["http://ada:hunter2/@proxy:3128", "http://ada:hunter2#@proxy:3128"] {
            let error = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(!error.contains("hunt"), "{error}");
        }
    }
}
