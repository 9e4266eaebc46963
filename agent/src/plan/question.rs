//! What a plan has to know that takes time to find out: the questions, and the shape of their answers,
//! with the sentences for what was found to be missing.
//!
//! [`crate::checks`] answers them, by running Nix and asking the network.

use std::fmt;

use nixvm_answers::answers::Network;
use nixvm_answers::interface::Interface;
use nixvm_answers::proxy::Proxy;
use nixvm_answers::server::Server;
use nixvm_answers::{Problems, SourceAnswers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Configuration;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Can these interfaces be set up in the live system? Finding that out sets them up.
    Interfaces(Vec<Interface>),
    /// Does the network work, by this proxy if there is one?
    Network(Option<Proxy>),
    /// Can this system be built here?
    Build(Wanted),
    /// What does this server answer?
    Answers(Server),
}

/// A system that the ISO does not carry built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who the machine will be.
    pub configuration: Configuration,
    /// Whether the network may be used.
    pub network: Network,
}

/// A system that can be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Buildable {
    /// Store path of its derivation.
    pub derivation: String,
    /// Store path that the system will have.
    pub toplevel: String,
    /// Derivations to be built here.
    pub builds: usize,
    /// Store paths to be downloaded.
    pub downloads: usize,
    /// It takes the network.
    pub online: bool,
}

/// Interfaces that were set up in the live system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What did not come up, a sentence each.
    pub warnings: Vec<String>,
}

/// An interface that does not mean exactly one of this machine's adapters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownInterface {
    /// Which adapter the answers mean, a phrase.
    pub wanted: String,
    /// Names and MAC addresses of the adapters that there are.
    pub adapters: Vec<String>,
}

/// What is known so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// The interfaces that were set up last; if they were not, the one that can't be.
    pub interfaces: Option<(Vec<Interface>, Result<Applied, UnknownInterface>)>,
    /// They are being set up, or were until that was broken off: what is in force is not known.
    pub interfaces_changing: bool,
    /// The proxy by which the network was tried last, and whether it works.
    pub network: Option<(Option<Proxy>, Result<(), Unreachable>)>,
    /// The system that was asked about last, and whether it can be built; if not, what is missing.
    pub build: Option<(Wanted, Result<Buildable, String>)>,
    /// The server that was asked for answers last, and what it sent.
    pub answers: Option<(Server, Result<Fetched, Unfetched>)>,
}

/// What a server sent: answers, or all that is wrong with them.
pub type Fetched = Result<SourceAnswers, Problems>;

impl Checked {
    /// Takes in what another check found out.
    pub fn add(&mut self, other: Self) {
        if other.interfaces.is_some() {
            // What was found out of the network was found out of another one; what a server answered
            // stays, or its own interfaces would be taken back.
            let answers = self.fetched();
            *self = Self { interfaces: other.interfaces, answers, ..Self::default() };
            return;
        }
        self.network = other.network.or(self.network.take());
        self.build = other.build.or(self.build.take());
        self.answers = other.answers.or(self.answers.take());
    }

    /// What is known of the network by this proxy.
    pub fn network_by(&self, proxy: Option<&Proxy>) -> Option<&Result<(), Unreachable>> {
        let known = self.network.as_ref().filter(|(tried, _)| tried.as_ref() == proxy);
        known.map(|(_, found)| found)
    }

    /// What is known of this server's answers.
    pub fn answers_of(&self, server: &Server) -> Option<&Result<Fetched, Unfetched>> {
        self.answers.as_ref().filter(|(asked, _)| asked == server).map(|(_, found)| found)
    }

    /// What is left after a decision is made anew from nothing: the state of the live system's
    /// network, which stays as it was set up, and what a server has answered.
    #[must_use]
    pub fn only_lasting(mut self) -> Self {
        let (answers, interfaces_changing) = (self.fetched(), self.interfaces_changing);
        let interfaces = self.interfaces.filter(|(_, applied)| applied.is_ok());
        Self { interfaces, interfaces_changing, answers, ..Self::default() }
    }

    /// A server's answers, if it gave any.
    fn fetched(&mut self) -> Option<(Server, Result<Fetched, Unfetched>)> {
        self.answers.take().filter(|(_, found)| found.is_ok())
    }
}

impl Check {
    /// What is being found out, a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Interfaces(_) => "Setting up the network.".to_owned(),
            Self::Network(_) => "Checking the network.".to_owned(),
            Self::Build(_) => {
                "Checking that the system can be built before anything is erased.".to_owned()
            }
            Self::Answers(server) => format!("Fetching answers from {server}."),
        }
    }
}

/// Which part of the network does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "missing")]
pub enum Unreachable {
    /// No adapter, or none with a cable in it.
    Link,
    /// No address, or no way out of the local network.
    Lease,
    /// Names are not resolved.
    Dns {
        /// The name.
        host: String,
        /// What the resolver says.
        error: String,
    },
    /// No connection to the proxy.
    Connection {
        /// The proxy.
        proxy: String,
        /// Why not.
        error: String,
    },
    /// The proxy does not connect to the server.
    Proxy {
        /// The proxy.
        proxy: String,
        /// The server.
        host: String,
        /// What the proxy says.
        error: String,
    },
    /// The server does not answer, or its certificate is refused.
    Https {
        /// The server.
        host: String,
        /// What Nix says.
        error: String,
    },
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("no network adapter has a link"),
            Self::Lease => f.write_str(
                "no network adapter has a gateway: DHCP does not answer, or the answers give none",
            ),
            Self::Dns { host, error } => write!(f, "DNS does not resolve {host}: {error}"),
            Self::Connection { proxy, error } => {
                write!(f, "no connection to the proxy {proxy}: {error}")
            }
            Self::Proxy { proxy, host, error } => {
                write!(f, "the proxy {proxy} does not connect to {host}: {error}")
            }
            Self::Https { host, error } => {
                write!(f, "{host} does not answer over HTTPS (is the clock right?): {error}")
            }
        }
    }
}

/// Where fetching the answers has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "stopped-at")]
pub enum Unfetched {
    /// There is no way to the server: no link, no lease, or its name is not resolved.
    Network(Unreachable),
    /// The token that the server is to be shown can't be used.
    Token {
        /// Why not.
        error: String,
    },
    /// No connection to the server.
    Connect {
        /// Address and port that were tried last.
        server: String,
        /// What the kernel says.
        error: String,
    },
    /// The server is another one than was meant, or speaks no TLS.
    Tls {
        /// Why not.
        error: String,
    },
    /// The server answers with something else than 200.
    Status {
        /// The status, with its name.
        status: String,
        /// Where it redirects to.
        location: Option<String>,
    },
    /// What was sent is no HTTP, breaks off, is empty, or too long.
    Response {
        /// What is wrong with it.
        error: String,
    },
    /// The server took too long.
    Timeout {
        /// Seconds.
        seconds: u64,
    },
}

impl Unfetched {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Network(Unreachable::Dns { .. }) => "Check the host name in answers.url.",
            Self::Network(_) => "Connect the VM's network adapter, then retry.",
            Self::Token { .. } => "Check the system credential nixvm.answers.token.",
            Self::Connect { .. } | Self::Timeout { .. } => {
                "Check that the server runs and can be reached from here, then retry."
            }
            Self::Tls { .. } => "Check the server's certificate and answers.fingerprint.",
            Self::Status { location: Some(_), .. } => "Write the address itself in answers.url.",
            Self::Status { .. } | Self::Response { .. } => "Check the server's log, then retry.",
        }
    }
}

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(unreachable) => unreachable.fmt(f),
            Self::Token { error } => write!(f, "the token can't be used: {error}"),
            Self::Connect { server, error } => write!(f, "no connection to {server}: {error}"),
            Self::Tls { error } => write!(f, "TLS fails: {error}"),
            Self::Status { status, location: None } => write!(f, "the server answers {status}"),
            Self::Status { status, location: Some(location) } => {
                write!(
                    f,
                    "the server answers {status} and redirects to {location}, which is not followed"
                )
            }
            Self::Response { error } => write!(f, "the response can't be used: {error}"),
            Self::Timeout { seconds } => {
                write!(f, "the server did not answer within {seconds} s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_tried_anew_once_it_was_set_up_and_stays_set_up() {
        let mut checked = Checked { network: Some((None, Ok(()))), ..Checked::default() };
        let wanted = vec!["address=10.0.2.77/24".parse().unwrap()];
        let set_up = Some((wanted.clone(), Ok(Applied::default())));
        checked.add(Checked { interfaces: set_up.clone(), ..Checked::default() });
        assert_eq!((checked.network.clone(), checked.interfaces.clone()), (None, set_up.clone()));
        checked.add(Checked { network: Some((None, Ok(()))), ..Checked::default() });
        assert_eq!(
            checked.clone().only_lasting(),
            Checked { interfaces: set_up, ..Checked::default() }
        );
        // What could not be set up may be possible now.
        let unknown = UnknownInterface { wanted: "the only adapter".into(), adapters: vec![] };
        checked.interfaces = Some((wanted, Err(unknown)));
        assert_eq!(checked.only_lasting(), Checked::default());
    }
}
