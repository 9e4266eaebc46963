//! What went wrong, for programs and for people: the shape that refusals and failures share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct Problem {
    /// A stable name for programs; `step-failed` if a step of the install failed.
    pub kind: String,
    /// What happened, to what.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// The step during which it happened, if an install had begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}
