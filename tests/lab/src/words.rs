//! The agent's public words that the lab waits for, each in one place.
//!
//! The lab does not link the agent: `cargo xtask` has to compile before the C libraries that the agent
//! links are installed. A test compares the words with the agent's schema instead.

/// Constants for words, and all of them for the test.
macro_rules! words {
    ($($(#[$doc:meta])* $module:ident { $($name:ident = $word:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[allow(missing_docs, reason = "the names are the words")]
            pub mod $module {
                $(pub const $name: &str = $word;)*
                #[cfg(test)]
                pub(super) const ALL: &[&str] = &[$($word),*];
            }
        )*
    };
}

words! {
    /// Names of events.
    event {
        AGENT_STARTED = "agent-started",
        COUNTDOWN = "countdown",
        DISKS = "disks",
        ATTEMPT_STARTED = "attempt-started",
        MACHINE = "machine",
        PASSWORD = "password",
        PLAN = "plan",
        PROGRESS = "progress",
        SCREEN_READY = "screen-ready",
        STATE = "state",
        STEP_FINISHED = "step-finished",
        STEP_STARTED = "step-started",
        ATTEMPT_ENDED = "attempt-ended",
        WARNING = "warning",
        WEBHOOK = "webhook",
    }
    /// The agent's states.
    state {
        WAITING_FOR_DISK = "waiting-for-disk",
        CHOOSING_DISK = "choosing-disk",
        COUNTDOWN = "countdown",
        AWAITING_CONFIRMATION = "awaiting-confirmation",
        INSTALLING = "installing",
        INSTALLED = "installed",
        FAILED = "failed",
        REFUSED = "refused",
        CANCELLED = "cancelled",
        ALREADY_INSTALLED = "already-installed",
    }
    /// How an attempt ends, in the verdict.
    outcome {
        INSTALLED = "installed",
        FAILED = "failed",
        REFUSED = "refused",
        CANCELLED = "cancelled",
        ALREADY_INSTALLED = "already-installed",
    }
    /// Keys of events.
    key {
        BYTES_DONE = "bytes_done",
        BYTES_TOTAL = "bytes_total",
        IMAGE_IN_MEMORY_BYTES = "image_in_memory_bytes",
        SECONDS_LEFT = "seconds_left",
        DURATION_SECONDS = "duration_seconds",
        PEAK_RESIDENT_BYTES = "peak_resident_bytes",
    }
}

/// Kinds of refusals and failures; the schema has them as plain strings.
#[allow(missing_docs, reason = "the names are the words")]
pub mod error {
    pub const INVALID_ANSWERS: &str = "invalid-answers";
    pub const LABEL_CONFLICT: &str = "label-conflict";
    pub const DISK_REMOVED: &str = "disk-removed";
    pub const NOT_UEFI: &str = "not-uefi";
    pub const NO_NETWORK: &str = "no-network";
    pub const NO_ANSWERS: &str = "no-answers";
    pub const INSUFFICIENT_MEMORY: &str = "insufficient-memory";
    pub const AMBIGUOUS_RULE: &str = "ambiguous-rule";
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn schema() -> Value {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agent/events.schema.json");
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    fn is_const(value: &Value, word: &str) -> bool {
        value["oneOf"].as_array().unwrap().iter().any(|one| one["const"] == word)
    }

    #[test]
    fn the_agent_s_schema_has_every_word() {
        let schema = schema();
        for word in event::ALL {
            let variants = schema["oneOf"].as_array().unwrap();
            let found = variants.iter().any(|one| one["properties"]["event"]["const"] == *word);
            assert!(found, "no event {word}");
        }
        for word in state::ALL {
            assert!(is_const(&schema["$defs"]["State"], word), "no state {word}");
        }
        for word in outcome::ALL {
            assert!(is_const(&schema["$defs"]["Outcome"], word), "no outcome {word}");
        }
        for word in key::ALL {
            let key = format!("\"{word}\":");
            assert!(schema.to_string().contains(&key), "no key {word}");
        }
    }
}
