//! The machine that the flake makes → whether it is the one that was asked for.
//!
//! A flake that reads no `host.nix`, or whose modules decide otherwise, ignores answers; that is found
//! before the first write to the disk.

use std::fmt;

use nixvm_manifest::Defaults;
use serde::Deserialize;

use crate::command::nix::string_literal;
use crate::plan::Configuration;

/// What the flake makes of the answers, as Nix says it.
#[derive(Deserialize)]
pub(super) struct Evaluated {
    /// Path of the toplevel's derivation.
    pub(super) derivation: String,
    hostname: String,
    account: bool,
    keymap: Option<String>,
    locale: Option<String>,
    timezone: Option<String>,
    proxy: Option<String>,
}

/// A function from the machine's configuration to [`Evaluated`].
pub(super) fn question(configuration: &Configuration) -> String {
    let account = string_literal(&configuration.username);
    format!(
        "config: {{ derivation = builtins.unsafeDiscardStringContext \
         config.system.build.toplevel.drvPath; hostname = config.networking.hostName; \
         account = config.users.users ? {account}; keymap = config.console.keyMap or null; \
         locale = config.i18n.defaultLocale or null; timezone = config.time.timeZone or null; \
         proxy = config.networking.proxy.default or null; }}"
    )
}

/// The flake makes another machine than was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ignored {
    /// What it has not, in words after "machine".
    missing: String,
    /// The file that it should read.
    file: String,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, file } = self;
        write!(f, "the installer's flake makes no machine {missing}: it does not read {file}")
    }
}

impl std::error::Error for Ignored {}

impl Evaluated {
    /// Compares it with what was asked for. What is asked for as the ISO has it is not compared: the
    /// flake may have another idea of that.
    ///
    /// # Errors
    /// The answers are ignored; `file` is named as what should be read.
    pub(super) fn follows(
        &self,
        wanted: &Configuration,
        defaults: &Defaults,
        file: String,
    ) -> Result<(), Ignored> {
        if self.hostname != wanted.hostname || !self.account {
            let missing = format!("{} with an account {}", wanted.hostname, wanted.username);
            return Err(Ignored { missing, file });
        }
        // A time zone that is not built in stands on the machine alone.
        let timezone = defaults.timezone.as_ref().and(wanted.timezone.as_ref());
        let proxy = wanted.proxy.as_ref().map(ToString::to_string);
        let values = [
            ("keymap", wanted.keymap.as_ref(), &defaults.keymap, &self.keymap),
            ("locale", wanted.locale.as_ref(), &defaults.locale, &self.locale),
            ("time zone", timezone, &defaults.timezone, &self.timezone),
            ("proxy", proxy.as_ref(), &defaults.proxy, &self.proxy),
        ];
        for (what, wanted, default, found) in values {
            let Some(wanted) = wanted else { continue };
            if Some(wanted) != default.as_ref() && Some(wanted) != found.as_ref() {
                return Err(Ignored { missing: format!("with the {what} {wanted}"), file });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(wanted: &Configuration, defaults: &Defaults) -> Option<String> {
        let evaluated = Evaluated {
            derivation: String::new(),
            hostname: "nixvm".to_owned(),
            account: true,
            keymap: Some("de".to_owned()),
            locale: None,
            timezone: None,
            proxy: Some("http://10.0.2.2:3128".to_owned()),
        };
        let follows = evaluated.follows(wanted, defaults, "nix/host.nix".to_owned());
        follows.err().map(|ignored| ignored.to_string())
    }

    #[test]
    fn a_flake_that_ignores_the_answers_is_named_with_the_file_that_it_should_read() {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let mut defaults = nixvm_manifest::parse(manifest).unwrap().defaults;
        let text = |text: &str| Some(text.to_owned());
        let plain = crate::plan::examples::plan("vda").configuration;
        assert_eq!(refusal(&plain, &defaults), None);

        let named = Configuration { hostname: "web1".into(), ..plain.clone() };
        assert_eq!(
            refusal(&named, &defaults).unwrap(),
            "the installer's flake makes no machine web1 with an account ht: it does not read nix/host.nix"
        );
        let keymap = Configuration { keymap: text("fr"), ..plain.clone() };
        assert_eq!(
            refusal(&keymap, &defaults).unwrap(),
            "the installer's flake makes no machine with the keymap fr: it does not read nix/host.nix"
        );
        let locale = Configuration { locale: text("de_DE.UTF-8"), ..plain.clone() };
        assert!(refusal(&locale, &defaults).unwrap().contains("the locale de_DE.UTF-8"));
        let zone = Configuration { timezone: text("Europe/Berlin"), ..plain.clone() };
        assert_eq!(refusal(&zone, &defaults), None);
        defaults.timezone = text("UTC");
        assert!(refusal(&zone, &defaults).unwrap().contains("the time zone Europe/Berlin"));
        let proxy =
            |url: &str| Configuration { proxy: Some(url.parse().unwrap()), ..plain.clone() };
        assert_eq!(refusal(&proxy("http://10.0.2.2:3128"), &defaults), None);
        let other = proxy("http://10.0.2.2:8080");
        assert!(refusal(&other, &defaults).unwrap().contains("the proxy http://10.0.2.2:8080"));

        // As the ISO has them, whatever the flake makes of that.
        defaults.keymap = text("fr");
        assert_eq!(refusal(&keymap, &defaults), None);
    }
}
