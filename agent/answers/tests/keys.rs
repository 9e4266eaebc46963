//! Each key of the table, tried in everything that follows from the table.

use nixvm_answers::keys::{KEYS, RESERVED};
use nixvm_answers::resolve::Defaults;
use nixvm_answers::{Answers, Resolved, Source, command_line, document, resolve, schema};

/// Every key, with a value which is not the default.
const EXAMPLE: &str = include_str!("../fixtures/answers.toml");

/// A document with `key` alone, and its answers.
fn alone(key: &str) -> (toml::Value, Answers) {
    let table: toml::Table = EXAMPLE.parse().expect("the example is right");
    let value = table.get(key).unwrap_or_else(|| panic!("fixtures/answers.toml has no {key}"));
    let text = toml::Table::from_iter([(key.to_owned(), value.clone())]).to_string();
    (
        value.clone(),
        document::parse(text.as_bytes(), Source::Iso).expect("the example is right").answers,
    )
}

fn resolved(answers: Answers) -> Resolved {
    let defaults = Defaults {
        hostname: "nixvm".parse().expect("the example is right"),
        username: "ht".parse().expect("the example is right"),
        full_name: None,
        keymap: None,
        locale: None,
        timezone: None,
        proxy: None,
        countdown: "10".parse().expect("the example is right"),
    };
    let source = Source::Iso;
    resolve([Ok(nixvm_answers::SourceAnswers { source, answers, ignored: Vec::new() })], defaults)
        .expect("the example is right")
}

/// What a document with this value has on the kernel's command line.
fn parameters(name: &str, value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::String(text) => vec![format!("nixvm.{name}=\"{text}\"")],
        // One parameter each, in the short form.
        toml::Value::Array(values) if values.iter().all(toml::Value::is_table) => {
            let short = |table: &toml::Table| {
                let parts = table.iter().flat_map(|(part, value)| match value {
                    toml::Value::Array(values) => {
                        values.iter().map(|value| (part, value.clone())).collect()
                    }
                    other => vec![(part, other.clone())],
                });
                let parts = parts.map(|(part, value)| format!("{part}={value}").replace('"', ""));
                parts.collect::<Vec<_>>().join(",")
            };
            let tables = values.iter().filter_map(toml::Value::as_table);
            tables.map(|table| format!("nixvm.{name}={}", short(table))).collect()
        }
        toml::Value::Array(values) => values.iter().flat_map(|v| parameters(name, v)).collect(),
        toml::Value::Table(table) => table
            .iter()
            .flat_map(|(part, value)| parameters(&format!("{name}.{part}"), value))
            .collect(),
        other => vec![format!("nixvm.{name}={other}")],
    }
}

#[test]
fn names_are_distinct_and_none_is_reserved() {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names, Answers::KEYS);
    for (index, key) in KEYS.iter().enumerate() {
        assert!(!names[..index].contains(&key.name) && !RESERVED.contains(&key.name), "{key:?}");
        assert!(key.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{key:?}");
        assert!(key.doc.ends_with('.') && !key.label.is_empty(), "{key:?}");
        // The screen has 12 columns for it, one of them blank.
        assert!(key.label.len() < 12, "{key:?}");
        assert!(!(key.secret && key.option.is_some()), "an option would show the secret: {key:?}");
    }
}

#[test]
fn every_key_is_in_the_schema_with_its_documentation() {
    let schema: serde_json::Value = serde_json::from_str(&schema::schema()).unwrap();
    for key in KEYS {
        assert_eq!(schema["properties"][key.name]["description"], key.doc, "{key:?}");
    }
}

#[test]
fn every_key_is_read_from_a_document_and_written_back() {
    for key in KEYS {
        let (_, answers) = alone(key.name);
        let written = answers.written();
        assert_eq!(written.len(), 1, "{key:?}");
        assert_eq!(written[0].0, key.name);
        let shown = document::show(&answers);
        assert_eq!(shown.contains("is given, and not shown"), key.secret, "{shown}");
    }
}

#[test]
fn every_key_is_merged_as_a_whole() {
    for key in KEYS {
        let (_, answers) = alone(key.name);
        assert_eq!(answers.clone().or(Answers::default()), answers);
        assert_eq!(Answers::default().or(answers.clone()), answers);
    }
}

#[test]
fn every_key_is_resolved_and_shown_with_its_source() {
    for key in KEYS {
        let (_, answers) = alone(key.name);
        let resolved = resolved(answers.clone());
        let rows = resolved.rows();
        let row = rows.iter().find(|row| row.key == key.name).expect(key.name);
        assert_eq!((row.label, &row.source), (key.label, &Source::Iso));
        let clear = match &answers.written()[0].1 {
            nixvm_answers::Written::Text(text) => text.clone(),
            _ => row.value.clone(),
        };
        assert!(!key.secret || !row.value.contains(clear.trim()), "{row:?}");
        let given = rows.iter().filter(|row| row.source != Source::Default);
        assert_eq!(given.count(), 1, "{rows:?}");
        let json = serde_json::to_value(&resolved).unwrap();
        assert_eq!(json[key.name]["source"]["kind"], "iso", "{json}");
    }
}

#[test]
fn every_key_is_taken_on_the_kernels_command_line_unless_it_is_secret() {
    for key in KEYS {
        let (value, answers) = alone(key.name);
        let line = parameters(key.name, &value).join(" ");
        match command_line::parse(&line) {
            Ok(given) => assert!(!key.secret && given.answers == answers, "{line}"),
            Err(problems) => {
                assert!(key.secret, "{problems}");
                assert!(problems.to_string().contains("every user could read"), "{problems}");
                assert!(!problems.to_string().contains("$6$"), "{problems}");
            }
        }
        let underscores = line.replace(key.name, &key.name.replace('-', "_"));
        assert_eq!(command_line::parse(&underscores).is_ok(), !key.secret, "{underscores}");
    }
}

#[test]
fn every_key_with_an_option_is_set_from_text() {
    for key in KEYS.iter().filter(|key| key.option.is_some()) {
        let (value, expected) = alone(key.name);
        let text = match &value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Table(_) => match &expected.written()[0].1 {
                nixvm_answers::Written::Text(short) => short.clone(),
                other => panic!("{other:?}"),
            },
            other => other.to_string(),
        };
        let mut answers = Answers::default();
        answers.set(key.name, &text).unwrap();
        assert_eq!(answers, expected, "{text}");
    }
}
