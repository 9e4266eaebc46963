//! Resolved answers → the plan's list of them, for programs and for people.

use nixvm_answers::{Resolved, Source, keys};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An answer as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The key, as in an answers file.
    pub key: String,
    /// The value, of the type that it has in an answers file; null for a secret. An object's keys are in
    /// snake_case.
    pub value: Value,
    /// The value in words; a secret's is not in here.
    pub text: String,
    /// Where it comes from.
    pub source: AnswerSource,
}

/// Where an answer comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerSource {
    /// Which kind of source: `request`, `file`, `command-line`, `volume`, `firmware-config`,
    /// `guestinfo`, `credential`, `url`, `nocloud`, `system-credential`, `iso` or `default`.
    pub kind: String,
    /// The device file, for a volume and for NoCloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The URL, for answers that a server sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The path, for a file; the name, for a file of NoCloud and for a credential of systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The source in words.
    pub text: String,
}

impl From<&Source> for AnswerSource {
    fn from(source: &Source) -> Self {
        // A source is plain data: it can always be written as JSON.
        let json = serde_json::to_value(source).unwrap_or_default();
        let part = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            kind: part("kind").unwrap_or_default(),
            device: part("device"),
            url: part("url"),
            path: part("path"),
            text: source.to_string(),
        }
    }
}

/// Every answer that has a value, in the order in which they are shown.
pub(super) fn list(answers: &Resolved) -> Vec<Answer> {
    let json = serde_json::to_value(answers).unwrap_or_default();
    let value = |key: &str| {
        // A secret's place in `Resolved` holds a mask, which is for people.
        let secret = keys::find(key).is_none_or(|key| key.secret);
        let value = json.get(key).and_then(|sourced| sourced.get("value"));
        value.filter(|_| !secret).cloned().unwrap_or_default()
    };
    answers
        .rows()
        .into_iter()
        .map(|row| Answer {
            value: in_snake_case(value(row.key)),
            key: row.key.to_owned(),
            text: row.value,
            source: (&row.source).into(),
        })
        .collect()
}

/// A value whose objects have the keys of this program's JSON rather than TOML's.
fn in_snake_case(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.into_iter();
            let entries = entries.map(|(key, value)| (key.replace('-', "_"), in_snake_case(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(in_snake_case).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use nixvm_answers::{document, resolve};
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_have_the_types_of_the_file_and_their_source_is_an_object() {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let defaults = nixvm_manifest::parse(manifest).unwrap().answer_defaults().unwrap();
        let toml = include_str!("../../answers/fixtures/answers.toml");
        let source = Source::Volume { device: "/dev/sdb1".into() };
        let resolved = resolve([document::parse(toml.as_bytes(), source)], defaults).unwrap();
        let list = list(&resolved);
        let find = |key: &str| list.iter().find(|answer| answer.key == key).unwrap();
        assert!(find("countdown").value.is_u64(), "{list:?}");
        assert!(find("hostname").value.is_string(), "{list:?}");
        assert!(find("ssh-authorized-keys").value.is_array(), "{list:?}");
        assert!(find("password-hash").value.is_null(), "{list:?}");
        let disk = find("disk").value.as_object().unwrap();
        assert!(disk.keys().all(|key| !key.contains('-')), "{disk:?}");
        assert!(!serde_json::to_string(&list).unwrap().contains("$6$"));
        assert_eq!(
            serde_json::to_value(&find("hostname").source).unwrap(),
            json!({ "kind": "volume", "device": "/dev/sdb1", "text": "nixvm.toml on /dev/sdb1" })
        );
    }

    #[test]
    fn every_answer_has_the_value_that_its_text_shows() {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let defaults = nixvm_manifest::parse(manifest).unwrap().answer_defaults().unwrap();
        let toml = include_str!("../../answers/fixtures/answers.toml");
        let resolved = resolve([document::parse(toml.as_bytes(), Source::Iso)], defaults).unwrap();
        for answer in list(&resolved) {
            let secret = keys::find(&answer.key).unwrap().secret;
            assert_eq!(answer.value.is_null(), secret, "{answer:?}");
        }
    }
}
