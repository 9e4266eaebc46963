//! The answers' keymap → the live system's keyboard, before anything is typed on the screen.

use nixvm_answers::source::Source;
use nixvm_answers::{Problems, Resolved};

use super::Session;
use crate::event::Event;

/// The console that has the screen. The keymap is the kernel's, for all of them.
const CONSOLE: &str = "/dev/tty1";

/// The keymap that the live system starts with.
const INITIAL: &str = "us";

impl Session {
    /// Loads the keymap that the answers name, once, and the initial one when they name none any more.
    /// A failure is a warning: the install itself needs no keyboard.
    pub(super) async fn load_keymap(&mut self, answers: &Result<Resolved, Problems>) {
        // Answers with mistakes may name one nonetheless; the keyboard stays as it is.
        let Ok(answers) = answers else { return };
        let keymap = wanted(answers);
        if keymap == self.keymap.as_deref().unwrap_or(INITIAL) {
            return;
        }
        self.keymap = Some(keymap.to_owned());
        let loadkeys = self.runner.tool("loadkeys").args(["--console", CONSOLE, keymap]).run();
        if let Err(error) = loadkeys.await {
            let message =
                format!("The keyboard still has its earlier keymap, not {keymap}: {error:#}");
            self.context.publisher.publish(Event::Warning { message });
        }
    }
}

/// The keymap to type with. That of the installed system by default is not an answer: another host's
/// may be anything.
fn wanted(answers: &Resolved) -> &str {
    let keymap = answers.keymap.as_ref().filter(|keymap| keymap.source != Source::Default);
    keymap.map_or(INITIAL, |keymap| keymap.value.as_str())
}

#[cfg(test)]
mod tests {
    use nixvm_answers::{document, resolve};

    use super::*;

    #[test]
    fn the_answers_keymap_is_typed_with_and_no_default() {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let mut manifest = nixvm_manifest::parse(manifest).unwrap();
        manifest.defaults.keymap = Some("fr".to_owned());
        let defaults = || manifest.answer_defaults().unwrap();
        assert_eq!(wanted(&resolve([], defaults()).unwrap()), "us");
        let given = document::parse(b"keymap = 'de-latin1'", Source::Iso);
        assert_eq!(wanted(&resolve([given], defaults()).unwrap()), "de-latin1");
    }
}
