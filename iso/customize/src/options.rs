//! `--KEY VALUE` for each plain key of the answers' table → [`Answers`].

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use nixvm_answers::Answers;
use nixvm_answers::keys::{KEYS, Key};

/// The options that follow from the table of keys, and the answers that they gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyOptions {
    pub(crate) answers: Answers,
}

/// The keys that have such an option, each with the name of its value.
fn options() -> impl Iterator<Item = (&'static Key, &'static str)> {
    KEYS.iter().filter_map(|key| Some((key, key.option?)))
}

fn help(key: &Key) -> String {
    let doc = key.doc.trim_end_matches('.');
    match key.choices {
        [] => doc.to_owned(),
        choices => format!("{doc}: {}", choices.join(", ")),
    }
}

impl Args for KeyOptions {
    fn augment_args(command: Command) -> Command {
        options().fold(command, |command, (key, value_name)| {
            let parse = |text: &str| {
                let checked = Answers::default().set(key.name, text);
                checked.map(|()| text.to_owned())
            };
            command.arg(
                Arg::new(key.name)
                    .long(key.name)
                    .value_name(value_name)
                    .help(help(key))
                    .value_parser(parse),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for KeyOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for (key, _) in options() {
            if let Some(text) = matches.get_one::<String>(key.name) {
                let set = self.answers.set(key.name, text);
                set.map_err(|invalid| Error::raw(ErrorKind::ValueValidation, invalid))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plain_key_is_an_option() {
        let command = || KeyOptions::augment_args(Command::new("test"));
        command().debug_assert();
        for (name, value) in
            [("full-name", "Ada Lovelace"), ("countdown", "3"), ("network", "none")]
        {
            let matches = command().get_matches_from(["test", &format!("--{name}"), value]);
            let options = KeyOptions::from_arg_matches(&matches).unwrap();
            assert_eq!(options.answers.written().len(), 1);
            assert_eq!(options.answers.written()[0].0, name);
        }
    }
}
