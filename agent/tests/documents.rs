//! The code's tables of facts → the sections of the README files that repeat them.
//!
//! A section is what stands between `<!-- generated: NAME -->` and `<!-- end -->`.
//! `UPDATE_EXPECT=1 cargo test -p nixvm-agent --test documents` rewrites all of them.

#![cfg(test)]

use std::path::Path;

use clap::CommandFactory;
use expect_test::expect_file;
use nixvm_agent::cli::Arguments;
use serde_json::Value;

const END: &str = "<!-- end -->";

#[test]
fn facts_in_the_agents_readme_are_those_of_the_code() {
    let schema: Value = serde_json::from_str(&nixvm_agent::event::schema()).unwrap();
    let interface = read("../iso/org.nixvm.Installer1.xml");
    let sections = [
        ("commands", commands()),
        ("exit-codes", exit_codes()),
        ("events", variants(&schema, "/properties/event/const", "event")),
        ("states", variants(&schema["$defs"]["State"], "/const", "state")),
        ("outcomes", variants(&schema["$defs"]["Outcome"], "/const", "outcome")),
        ("steps", variants(&schema["$defs"]["Step"], "/const", "step")),
        ("methods", members(&interface, "method")),
        ("properties", members(&interface, "property")),
    ];
    expect_file!["../README.md"].assert_eq(&with_sections("README.md", &sections));
}

/// Its clients have no other list of them.
#[test]
fn the_property_state_lists_all_states() {
    let schema: Value = serde_json::from_str(&nixvm_agent::event::schema()).unwrap();
    let properties = members(&read("../iso/org.nixvm.Installer1.xml"), "property");
    let row = properties.lines().find(|line| line.starts_with("| `State` ")).unwrap();
    let listed: Vec<_> = row.split([' ', ',', '.', ':']).collect();
    for form in schema["$defs"]["State"]["oneOf"].as_array().unwrap() {
        let state = form["const"].as_str().unwrap();
        assert!(listed.contains(&state), "{state} is not in {row}");
    }
}

#[test]
fn keys_in_the_answers_readme_are_those_of_the_schema() {
    let schema: Value = serde_json::from_str(&nixvm_answers::schema::schema()).unwrap();
    let mut rows = Vec::new();
    keys("", &schema, &schema["$defs"], &mut rows);
    let sections = [("keys", table(["key", "meaning", "value"], rows))];
    expect_file!["../answers/README.md"].assert_eq(&with_sections("answers/README.md", &sections));
}

/// The file with its sections replaced; it has to have exactly these.
fn with_sections(file: &str, sections: &[(&str, String)]) -> String {
    let text = read(file);
    let known: Vec<_> = sections.iter().map(|(name, _)| *name).collect();
    let mut found: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("<!-- generated: ")?.strip_suffix(" -->"))
        .collect();
    found.sort_by_key(|name| known.iter().position(|one| one == name));
    assert_eq!(found, known, "sections of {file}");
    sections.iter().fold(text, |text, (name, body)| {
        let start = format!("<!-- generated: {name} -->\n");
        let (before, rest) = text.split_once(&start).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        format!("{before}{start}{body}{END}{after}")
    })
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&head.map(str::to_owned));
    text += &format!("|{}\n", "---|".repeat(N));
    for row in rows {
        // A cell is one line, and a bar ends it, even within code.
        text += &line(&row.map(|cell| words(&cell.replace('|', "\\|"))));
    }
    text
}

/// One space between words, without rustdoc's links.
fn words(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace("[`", "`").replace("`]", "`")
}

/// The subcommands that `--help` lists.
fn commands() -> String {
    let mut program = Arguments::command();
    program.build();
    let row = |command: &clap::Command| {
        let mut usage = command.get_name().to_owned();
        for argument in command.get_arguments().filter(|one| !one.is_hide_set()) {
            match argument.get_long() {
                Some("help" | "version") => {}
                Some(long) => usage += &format!(" [--{long}]"),
                None => usage += &format!(" {argument}"),
            }
        }
        let about = command.get_about().unwrap_or_default();
        [format!("`{usage}`"), about.to_string()]
    };
    let listed = |command: &&clap::Command| !command.is_hide_set() && command.get_name() != "help";
    let rows = program.get_subcommands().filter(listed).map(row).collect();
    table(["command", "what it does"], rows)
}

/// The lines `  N  MEANING` of `--help`.
fn exit_codes() -> String {
    let program = Arguments::command();
    let help = program.get_after_long_help().unwrap().to_string();
    let rows: Vec<_> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once("  "))
        .filter(|(code, _)| code.parse::<u8>().is_ok())
        .map(|(code, meaning)| [code.to_owned(), meaning.to_owned()])
        .collect();
    assert!(!rows.is_empty(), "{help}");
    table(["code", "meaning"], rows)
}

/// The variants of an enum in a JSON Schema; `name` points to each one's constant.
fn variants(schema: &Value, name: &str, head: &str) -> String {
    let forms = schema["oneOf"].as_array().unwrap_or_else(|| panic!("{head}: {schema}"));
    let rows = forms
        .iter()
        .map(|form| {
            let name = form.pointer(name).and_then(Value::as_str).unwrap();
            [format!("`{name}`"), form["description"].as_str().unwrap_or_default().to_owned()]
        })
        .collect();
    table([head, "meaning"], rows)
}

/// The methods or properties in the introspection data, with the comments before them.
fn members(interface: &str, kind: &str) -> String {
    let attribute = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let mut rows: Vec<[String; 3]> = Vec::new();
    let (mut owner, mut comment, mut in_comment, mut open) =
        (String::new(), String::new(), false, false);
    for line in interface.lines().map(str::trim) {
        if line == "<!--" {
            (in_comment, comment) = (true, String::new());
        } else if line == "-->" {
            in_comment = false;
        } else if in_comment {
            comment += line;
            comment.push(' ');
        } else if line.starts_with("<interface ") {
            let name = attribute(line, "name");
            owner = name.strip_prefix("org.nixvm.Installer1").unwrap().replace('.', "");
        } else if line.starts_with(&format!("<{kind} ")) {
            let dot = if owner.is_empty() { "" } else { "." };
            let name = format!("`{owner}{dot}{}`", attribute(line, "name"));
            let type_ = if kind == "property" { attribute(line, "type") } else { String::new() };
            rows.push([name, type_, std::mem::take(&mut comment)]);
            open = !line.ends_with("/>");
        } else if line.starts_with("</") {
            open = false;
        } else if line.starts_with("<arg ") && open {
            let arrow = if attribute(line, "direction") == "out" { "→ " } else { "" };
            let cell = &mut rows.last_mut().unwrap()[1];
            let comma = if cell.is_empty() { "" } else { ", " };
            *cell +=
                &format!("{comma}{arrow}{} {}", attribute(line, "name"), attribute(line, "type"));
        }
    }
    for row in &mut rows {
        if !row[1].is_empty() {
            row[1] = format!("`{}`", row[1]);
        }
    }
    table([kind, if kind == "property" { "type" } else { "arguments" }, "meaning"], rows)
}

/// The keys of a table, each before those of the tables in it, dotted.
fn keys(prefix: &str, schema: &Value, definitions: &Value, rows: &mut Vec<[String; 3]>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let description = property["description"].as_str().unwrap_or_default();
        let forms = forms(property, definitions);
        let values: Vec<_> = forms.iter().map(|form| value(form, definitions)).collect();
        let key = format!("{prefix}{name}");
        rows.push([format!("`{key}`"), description.to_owned(), values.join("; or ")]);
        for form in forms {
            keys(&format!("{key}."), form, definitions, rows);
            for item in items(form, definitions) {
                keys(&format!("{key}."), item, definitions, rows);
            }
        }
    }
}

/// The ways to write a value.
fn forms<'s>(schema: &'s Value, definitions: &'s Value) -> Vec<&'s Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        return forms(&definitions[name], definitions);
    }
    match schema["anyOf"].as_array() {
        Some(several) => several.iter().flat_map(|form| forms(form, definitions)).collect(),
        None => vec![schema],
    }
}

/// The ways to write an item of a list; none if it is no list.
fn items<'s>(form: &'s Value, definitions: &'s Value) -> Vec<&'s Value> {
    form.get("items").map_or_else(Vec::new, |items| forms(items, definitions))
}

fn value(form: &Value, definitions: &Value) -> String {
    let bound = |name: &str| form[name].as_i64();
    // Variants with a description are a `oneOf`, those without are an `enum`.
    let described = form["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    let bare = form["enum"].as_array().into_iter().flatten();
    let names: Vec<_> = described.chain(bare).filter_map(Value::as_str).collect();
    if !names.is_empty() {
        return format!("`{}`", names.join("`, `"));
    }
    if !form["const"].is_null() {
        return format!("`{}`", form["const"]);
    }
    match form["type"].as_str() {
        Some("integer") => match (bound("minimum"), bound("maximum")) {
            (Some(minimum), Some(maximum)) => format!("number, {minimum} to {maximum}"),
            _ => "number".to_owned(),
        },
        Some("array") => {
            let is_table = |item: &&Value| item["type"] == "object";
            match items(form, definitions).iter().any(is_table) {
                true => "list of tables".to_owned(),
                false => "list of strings".to_owned(),
            }
        }
        Some("object") => "table".to_owned(),
        Some(other) => other.to_owned(),
        None => panic!("no type: {form}"),
    }
}
