//! Text or table → [`Server`]: where something is fetched from or sent to, and how that server is known.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::form::Table;
use crate::url;
use crate::value::{Invalid, checked_text, octets, quote};

/// A server, which is spoken to by HTTPS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Server {
    /// Its URL, with the scheme `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<ServerUrl>,
    /// The SHA-256 fingerprint of its certificate; without it, an authority that the live system
    /// trusts has to have signed the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// The two ways to write a server.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum ServerForms {
    /// The URL alone.
    Short(ServerUrl),
    /// The URL, and the certificate's fingerprint.
    Table(Server),
}

checked_text! {
    /// A URL with the scheme `https`, after RFC 3986: a host name or an address, a port if it is not
    /// 443, a path, a query. It is shown on screens and logged: it names no user, whose password all could
    /// read, and a token belongs into a system credential, not into path or query.
    ServerUrl,
    pattern: "^https://[!-~]+$",
    check: check
}

const RULES: url::Rules = url::Rules {
    schemes: &["https"],
    other_scheme: "a server is spoken to by HTTPS and by nothing else",
    example: "write https://HOST/PATH",
    without_user: "hand a token over in a system credential: nixvm.answers.token, nixvm.webhook.token",
};

fn check(text: &str) -> Result<(), Invalid> {
    url::parse(text, &RULES).map(|_| ())
}

impl ServerUrl {
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
        self.uri().port_u16().unwrap_or(443)
    }

    /// Host and port as they are written, for HTTP's `Host`.
    pub fn authority(&self) -> String {
        self.uri().authority().map(ToString::to_string).unwrap_or_default()
    }

    /// Path and query.
    pub fn path(&self) -> String {
        self.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned()
    }
}

/// The SHA-256 of a certificate in DER. It is shown as `openssl x509 -fingerprint -sha256` shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// In hexadecimal digits of either case, with colons between the bytes or without.
impl FromStr for Fingerprint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(format!("{} is not a SHA-256 fingerprint", quote(text)))
                .hint("write the 64 digits that `openssl x509 -noout -fingerprint -sha256` shows")
        };
        // OpenSSL's whole line is pasted easily.
        let digits = text.rsplit_once('=').map_or(text, |(_, digits)| digits);
        let separator = digits.contains(':').then_some(b':');
        octets(digits, separator).map(Self).ok_or_else(refused)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Fingerprint {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fingerprint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$" })
    }
}

impl Table for Server {
    const PARTS: &'static [&'static str] = &["url", "fingerprint"];
    const CHOICES: &'static [&'static str] = &[];
    const REMEDY: &'static str = "write url = \"https://…\"";
    const PART: &'static str = "setting of a server";

    fn set(&mut self, part: &str, text: &str) -> Result<(), Invalid> {
        let before = match part {
            "url" => self.url.replace(text.parse()?).is_some(),
            "fingerprint" => self.fingerprint.replace(text.parse()?).is_some(),
            _ => return Err(Self::unknown(part)),
        };
        if before { Err(Invalid::new(format!("{part} is given twice"))) } else { Ok(()) }
    }

    fn add(&mut self, text: &str) -> Result<(), Invalid> {
        self.set("url", text)
    }

    fn check(&self) -> Result<(), Invalid> {
        match self.url {
            Some(_) => Ok(()),
            None => Err(Invalid::new("this server has no url").hint(Self::REMEDY)),
        }
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("url", self.url.as_ref().map(ToString::to_string)),
            ("fingerprint", self.fingerprint.as_ref().map(ToString::to_string)),
        ];
        all.into_iter().filter_map(|(part, value)| Some((part, value?))).collect()
    }
}

/// The short form, which is the URL.
impl FromStr for Server {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(Self { url: Some(text.parse()?), fingerprint: None })
    }
}

/// The URL.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_ref().map(ServerUrl::as_str).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_as_the_server_needs_it() {
        for (text, host, port, authority, path) in [
            ("https://a.example", "a.example", 443, "a.example", "/"),
            ("https://a:8443/x/y?z=1", "a", 8443, "a:8443", "/x/y?z=1"),
            ("HTTPS://10.0.2.2/a", "10.0.2.2", 443, "10.0.2.2", "/a"),
            ("https://[fec0::2]:444/a", "fec0::2", 444, "[fec0::2]:444", "/a"),
        ] {
            let url: ServerUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let parts = (url.host(), url.port(), url.authority(), url.path());
            assert_eq!(parts, (host.to_owned(), port, authority.to_owned(), path.to_owned()));
        }
    }

    #[test]
    fn what_is_no_https_url_is_refused_and_no_password_is_repeated() {
        for bad in [
            "",
            "a.example",
            "/x",
            "https://",
            "https:///x",
            "https://a b",
            "https://a:0/",
            "https://a:/",
            "https://a:70000",
            "https://a/#b",
            "ftp://a",
            "https://a\u{1b}",
        ] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad:?}");
        }
        let plain = "http://a.example/x".parse::<ServerUrl>().unwrap_err().to_string();
        assert!(plain.contains("by HTTPS and by nothing else"), "{plain}");
        let user = "https://ada:hunter2@a.example/".parse::<ServerUrl>().unwrap_err().to_string();
        assert!(user.contains("nixvm.answers.token") && !user.contains("hunter2"), "{user}");
        assert!(format!("https://{}", "a".repeat(url::LONGEST)).parse::<ServerUrl>().is_err());
    }

    #[test]
    fn a_fingerprint_is_read_as_tools_write_it() {
        let colons = vec!["aB"; 32].join(":");
        let plain = "ab".repeat(32);
        let openssl = format!("sha256 Fingerprint={}", vec!["AB"; 32].join(":"));
        for text in [&colons, &plain, &openssl] {
            let fingerprint: Fingerprint = text.parse().unwrap();
            assert_eq!(fingerprint, Fingerprint([0xab; 32]));
            assert_eq!(fingerprint.to_string(), vec!["AB"; 32].join(":"));
        }
        let short = "ab".repeat(20);
        let odd = "ab".repeat(31) + "a";
        let signs = "+b".repeat(32);
        for bad in ["", &short, &odd, &signs, &format!("{plain}00"), &"é".repeat(32)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad:?}");
        }
    }
}
