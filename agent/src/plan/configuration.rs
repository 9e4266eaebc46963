//! Who the machine will be: what the answers and the chosen disk add to the flake that the ISO carries.

use std::path::PathBuf;

use nixvm_answers::proxy::Proxy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What this machine and the answers add to the flake that the ISO carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// Host name.
    pub hostname: String,
    /// The account's login name.
    pub username: String,
    /// The account's full name; empty if there is none.
    pub full_name: String,
    /// The console's keymap; none if neither the answers nor the ISO name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keymap: Option<String>,
    /// The locale; none if neither the answers nor the ISO name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The time zone; none leaves the system's, which is UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The proxy for downloads; none if neither the answers nor the ISO name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// The disk's name that is most likely to mean the same disk later.
    pub disk_device: PathBuf,
}
