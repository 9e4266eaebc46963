//! Who the machine will be: what the answers and the chosen disk add to the flake that the ISO carries.

use std::path::PathBuf;

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
    /// The disk's name that is most likely to mean the same disk later.
    pub disk_device: PathBuf,
}
