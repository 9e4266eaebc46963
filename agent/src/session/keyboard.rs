//! The answers' keymap → the live system's keyboard, before anything is typed on the screen.

use nixvm_answers::{Problems, Resolved};

use super::Session;
use crate::event::Event;
use crate::plan::{INITIAL_KEYMAP, typed_keymap};

/// The console that has the screen. The keymap is the kernel's, for all of them.
const CONSOLE: &str = "/dev/tty1";

impl Session {
    /// Loads the keymap that the answers name, once, and the initial one when they name none any more.
    /// A failure is a warning: the install itself needs no keyboard.
    pub(super) async fn load_keymap(&mut self, answers: &Result<Resolved, Problems>) {
        // Answers with mistakes may name one nonetheless; the keyboard stays as it is.
        let Ok(answers) = answers else { return };
        let keymap = typed_keymap(answers);
        if keymap == self.keymap.as_deref().unwrap_or(INITIAL_KEYMAP) {
            return;
        }
        self.keymap = Some(keymap.to_owned());
        // It is asked for with this keymap when the system starts, and was typed with another one.
        self.user.passphrase = None;
        let loadkeys = self.runner.tool("loadkeys").args(["--console", CONSOLE, keymap]).run();
        if let Err(error) = loadkeys.await {
            let message =
                format!("The keyboard still has its earlier keymap, not {keymap}: {error:#}");
            self.context.publisher.publish(Event::Warning { message });
        }
    }
}

#[cfg(test)]
mod tests {
    use nixvm_answers::source::Source;
    use nixvm_answers::{document, resolve};

    use super::*;

    #[test]
    fn the_answers_keymap_is_typed_with_and_no_default() {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let mut manifest = nixvm_manifest::parse(manifest).unwrap();
        manifest.defaults.keymap = Some("fr".to_owned());
        let defaults = || manifest.answer_defaults().unwrap();
        assert_eq!(typed_keymap(&resolve([], defaults()).unwrap()), "us");
        let given = document::parse(b"keymap = 'de-latin1'", Source::Iso);
        assert_eq!(typed_keymap(&resolve([given], defaults()).unwrap()), "de-latin1");
    }
}
