//! [`Answers`] → their JSON Schema, for editors.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Value, json};

use crate::keys::{Answers, VERSION};

/// The JSON Schema of an answers file, as checked in beside this crate.
///
/// An editor that knows it completes keys and marks mistakes. It describes single values: only
/// [`crate::document::parse`] finds values that contradict each other.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12().with_transform(WithoutNull).into_generator();
    let mut schema = generator.into_root_schema_for::<Answers>();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let version = json!({ "description": "The version of this format.", "const": VERSION });
        properties.insert("version".into(), version);
    }
    format!("{:#}\n", schema.as_value())
}

/// TOML has no null: a key without a value is left out.
#[derive(Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
            forms.retain(|form| form["type"] != "null");
            if let [Value::Object(only)] = forms.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                only.into_iter().for_each(|(key, value)| {
                    schema.insert(key, value);
                });
            }
        }
        transform_subschemas(self, schema);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;
    use crate::disk::DiskRule;
    use crate::interface::Interface;

    /// `UPDATE_EXPECT=1 cargo test -p nixvm-answers` writes it anew.
    #[test]
    fn checked_in_schema_is_that_of_the_types() {
        expect_file!["../answers.schema.json"].assert_eq(&schema());
    }

    #[test]
    fn keys_of_the_parser_are_those_of_the_types() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        assert!(!schema.to_string().contains("null"));
        let keys = |object: &Value| {
            assert_eq!(object["additionalProperties"], false);
            let mut keys: Vec<_> =
                object["properties"].as_object().unwrap().keys().cloned().collect();
            keys.sort();
            keys
        };
        let mut expected: Vec<_> =
            Answers::KEYS.into_iter().chain(["version"]).map(str::to_owned).collect();
        expected.sort();
        assert_eq!(keys(&schema), expected);
        let sorted = |mut keys: Vec<String>| {
            keys.sort();
            keys
        };
        let network = ["interface", "policy"].map(str::to_owned).to_vec();
        assert_eq!(keys(&schema["$defs"]["NetworkSettings"]), network);
        let interface = Interface::KEYS.map(str::to_owned).to_vec();
        assert_eq!(keys(&schema["$defs"]["Interface"]), sorted(interface));
        let mut expected = DiskRule::KEYS.map(str::to_owned);
        expected.sort();
        assert_eq!(keys(&schema["$defs"]["DiskRule"]), expected);
    }
}
