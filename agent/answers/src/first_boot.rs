//! Text or table → [`FirstBoot`]: what the installed system runs once.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use toml::de::DeValue;

use crate::form::{Form, Misplaced, Toml, Written, unknown};
use crate::password::Secret;
use crate::value::Invalid;

/// What the installed system does once, after its first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstBoot {
    /// A script, which root runs once the network is up.
    pub script: Script,
}

/// The two ways to write it.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum FirstBootForms {
    /// The script alone.
    Short(Script),
    /// The script by its name.
    Table(FirstBoot),
}

const PARTS: &[&str] = &["script"];

/// How to write it, in refusals.
const REMEDY: &str = "write script = '''…''' below [first-boot], its first line being #!/bin/sh";

/// A program in text, which begins with the interpreter's path. There may be secrets in it, so it is
/// shown by its length alone.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Script(Secret);

impl Script {
    /// The text; see [`Secret::reveal`].
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl FromStr for Script {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let interpreter = text.strip_prefix("#!").and_then(|rest| rest.lines().next());
        let Some(interpreter) = interpreter else {
            return Err(Invalid::new("this script names no interpreter").hint(REMEDY));
        };
        // The message does not repeat it, as all of the text may be secret.
        if !is_in_nixos(interpreter) {
            let message = "this script's interpreter is not where it is on NixOS";
            return Err(Invalid::new(message).hint(
                "begin it with #!/bin/sh, or with #!/usr/bin/env and the interpreter's name",
            ));
        }
        // As an editor on Windows ends lines, the interpreter would not be found.
        Ok(Self(Secret::new(text.replace("\r\n", "\n"))))
    }
}

/// Whether a NixOS system has the program that a script's first line names after `#!`.
fn is_in_nixos(line: &str) -> bool {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("/bin/sh"), _) | (Some("/usr/bin/env"), Some(_)) => true,
        (Some(path), _) => {
            ["/nix/store/", "/run/current-system/"].iter().any(|folder| path.starts_with(folder))
        }
        (None, _) => false,
    }
}

/// `a script of 12 lines`
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.reveal().lines().count();
        write!(f, "a script of {lines} line{}", if lines == 1 { "" } else { "s" })
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for Script {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Script".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^#![ \\t]*(/bin/sh|/usr/bin/env[ \\t]+\\S|/nix/store/|/run/current-system/)"
        })
    }
}

impl Form for FirstBoot {
    const PARTS: &'static [&'static str] = PARTS;

    fn from_text(text: &str) -> Result<Self, Invalid> {
        Ok(Self { script: text.parse()? })
    }

    fn from_toml(key: &str, value: &Toml<'_>) -> Result<Self, Vec<Misplaced>> {
        let table = match value.get_ref() {
            DeValue::Table(table) => table,
            _ => return Ok(Self { script: script(key, value).map_err(|wrong| vec![wrong])? }),
        };
        let (mut found, mut mistakes) = (None, Vec::new());
        for (name, part) in table {
            let text = name.get_ref().as_ref();
            if PARTS.contains(&text) {
                match script(text, part) {
                    Ok(script) => found = Some(script),
                    Err(wrong) => mistakes.push(wrong),
                }
            } else {
                let what = unknown("setting of the first boot", "", text, PARTS);
                mistakes.push(Misplaced { offset: name.span().start, what });
            }
        }
        match found {
            Some(script) if mistakes.is_empty() => return Ok(Self { script }),
            None if mistakes.is_empty() => {
                let what = Invalid::new("there is no script for the first boot").hint(REMEDY);
                mistakes.push(Misplaced::at(value, what));
            }
            _ => {}
        }
        Err(mistakes)
    }

    fn shown(&self) -> Option<String> {
        Some(self.script.to_string())
    }

    fn written(&self) -> Written {
        Written::Text(self.script.reveal().to_owned())
    }
}

/// The script in a value, which is text of several lines.
fn script(key: &str, value: &Toml<'_>) -> Result<Script, Misplaced> {
    let script = match value.get_ref() {
        DeValue::String(text) => text.parse(),
        _ => Err(Invalid::new(format!("{key} has to be text in quotes")).hint(REMEDY)),
    };
    script.map_err(|what| Misplaced::at(value, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, document};

    fn read(text: &str) -> Result<FirstBoot, String> {
        let given = document::parse(text.as_bytes(), Source::Iso);
        given.map(|given| given.answers.first_boot.unwrap()).map_err(|p| p.to_string())
    }

    #[test]
    fn a_script_is_written_with_its_name_or_without() {
        let text = "#!/bin/sh\necho hunter2\n";
        for toml in [
            format!("[first-boot]\nscript = '''\n{text}'''\n"),
            format!("first-boot = '''\n{text}'''\n"),
            format!("first-boot.script = '''\r\n{}'''\r\n", text.replace('\n', "\r\n")),
        ] {
            let found = read(&toml).unwrap();
            assert_eq!(found.script.reveal(), text, "{toml:?}");
            let shown = format!(
                "{} {found:?} {:?} {}",
                found.script,
                found.shown(),
                serde_json::to_string(&found).unwrap()
            );
            assert!(shown.starts_with("a script of 2 lines "), "{shown}");
            assert!(!shown.contains("echo"), "{shown}");
        }
    }

    #[test]
    fn what_would_not_run_is_refused_and_not_repeated() {
        for (toml, line, says) in [
            ("[first-boot]\n", 1, "there is no script"),
            ("[first-boot]\nscirpt = 'hunter2'\n", 2, "did you mean \"script\"?"),
            ("[first-boot]\nscript = 'hunter2'\n", 2, "names no interpreter"),
            ("[first-boot]\nscript = '''\n\n#!/bin/sh\nhunter2'''\n", 2, "names no interpreter"),
            ("first-boot = '#!/bin/bash\thunter2'\n", 1, "#!/usr/bin/env and the interpreter"),
            ("first-boot = '#!hunter2'\n", 1, "is not where it is on NixOS"),
            ("first-boot = '#!'\n", 1, "names no interpreter"),
            ("first-boot = '#!\t'\n", 1, "is not where it is on NixOS"),
            ("first-boot = '#!/usr/bin/env'\n", 1, "is not where it is on NixOS"),
            ("first-boot = ['hunter2']\n", 1, "has to be text in quotes"),
        ] {
            let error = read(toml).unwrap_err();
            let at = format!("line {line}, ");
            assert!(error.contains(&at) && error.contains(says), "{toml:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for good in ["#! /bin/sh -e", "#!/usr/bin/env python3", "#!/run/current-system/sw/bin/zsh"]
        {
            assert!(good.parse::<Script>().is_ok(), "{good}");
        }
    }
}
