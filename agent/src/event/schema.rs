//! [`Record`] → its JSON Schema, for programs that read events.

use schemars::generate::SchemaSettings;

use super::Record;

const DESCRIPTION: &str = "One line of the installer's event stream. Within one version, events, keys, \
    states, outcomes, steps and kinds may be added: ignore events and keys that you do not know, treat \
    other unknown names as unknown and show the message beside them, and never take an unknown outcome \
    for a success.";

/// The JSON Schema of a record, as checked in beside this crate.
///
/// A later agent of the same [`super::VERSION`] may say more; the schema's description says what a
/// reader does with what it does not know.
pub fn schema() -> String {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Record>();
    schema.insert("title".into(), "nixvm event".into());
    schema.insert("description".into(), DESCRIPTION.into());
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::expect_file;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::examples;

    fn validator() -> jsonschema::Validator {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    }

    /// `UPDATE_EXPECT=1 cargo test -p nixvm-agent` writes it anew.
    #[test]
    fn checked_in_schema_is_that_of_the_types() {
        expect_file!["../../events.schema.json"].assert_eq(&schema());
    }

    #[test]
    fn an_example_of_each_event_fits_and_comes_back_unchanged() {
        let validator = validator();
        for record in examples::records() {
            let value = serde_json::to_value(&record).unwrap();
            if let Err(error) = validator.validate(&value) {
                panic!("{}: {error} at {}", record.event.name(), error.instance_path());
            }
            assert_eq!(value["event"], record.event.name());
            assert_eq!(serde_json::from_value::<Record>(value).unwrap(), record);
        }
    }

    #[test]
    fn there_is_an_example_of_each_event() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        let described: BTreeSet<_> = schema["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(|form| form["properties"]["event"]["const"].as_str().unwrap().to_owned())
            .collect();
        let shown: BTreeSet<_> =
            examples::records().map(|record| record.event.name().to_owned()).collect();
        assert_eq!(shown, described);
    }

    #[test]
    fn what_is_no_record_does_not_fit() {
        let validator = validator();
        let good = json!({
            "version": 1, "sequence": 1, "uptime_ms": 5, "event": "countdown", "seconds_left": 3
        });
        assert!(validator.is_valid(&good));
        for (key, value) in [
            ("event", json!("no-such-event")),
            ("event", Value::Null),
            ("sequence", json!(-1)),
            ("seconds_left", json!("3")),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(!validator.is_valid(&bad), "{bad}");
        }
        for key in ["version", "sequence", "uptime_ms", "event", "seconds_left"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&bad), "{bad}");
        }
    }
}
