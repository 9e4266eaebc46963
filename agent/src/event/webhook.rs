//! How far the telling of a webhook is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The telling of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// Its URL.
    pub url: String,
    /// How far that is.
    pub delivery: Delivery,
}

/// How far the telling of a webhook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// It is being told, or told again.
    Sending,
    /// It has taken the news.
    Delivered,
    /// It could not be told; a warning says why.
    Failed,
}
