//! What each source answers, and the ISO's defaults → what holds.
//!
//! Sources that do not change are read before the session ([`crate::sources`]); volumes are read with the
//! disks ([`super::scan`]); the user's answers come as requests ([`super::requests`]), and
//! a server's when it was asked ([`crate::checks`]).

use nixvm_answers::source::Source;
use nixvm_answers::{Problem, Problems, Resolved, resolve};

use super::Session;

impl Session {
    /// What holds now.
    ///
    /// # Errors
    /// Every mistake of every source.
    pub(super) fn answers(&self) -> Result<Resolved, Problems> {
        let volumes = self.inventory.volumes.values().flat_map(|(_, said)| said);
        let found =
            self.context.source_answers.iter().chain(volumes).chain(&self.user.answers).cloned();
        let defaults = self.context.manifest.answer_defaults().map_err(|invalid| {
            Problems::from(Problem::whole(Source::Default, invalid.message, None))
        })?;
        let resolved = resolve(found.clone(), defaults.clone())?;
        let server = resolved.server.as_ref().map(|server| &server.value);
        match server.and_then(|server| self.checks.results.answers_of(server)) {
            Some(Ok(fetched)) => resolve(found.chain([fetched.clone()]), defaults),
            Some(Err(_)) | None => Ok(resolved),
        }
    }
}
