//! What went wrong, for programs and for people: the shape that refusals and failures share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// A stable name for programs.
    pub kind: String,
    /// What happened, to what.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}
