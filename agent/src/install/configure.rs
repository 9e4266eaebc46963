//! The flake that the ISO carries, and what this machine and these answers add →
//! `/etc/nixos` on the target.

use std::path::Path;

use anyhow::Result;

use super::Attempt;
use crate::checks::configuration;
use crate::disk::layout;
use crate::event::Event;

/// The configuration's folder on the target.
const FOLDER: &str = "etc/nixos";

/// Runs the step.
///
/// # Errors
/// Something can't be read from the ISO or written to the target.
pub(super) async fn run(attempt: &Attempt) -> Result<()> {
    let folder = Path::new(layout::MOUNT_POINT).join(FOLDER);
    let machine = &attempt.plan.configuration;
    let warning =
        configuration::write(machine, &attempt.runner, &attempt.manifest, &folder).await?;
    if let Some(message) = warning {
        attempt.publisher.publish(Event::Warning { message });
    }
    Ok(())
}
