//! This machine → the answers of each source, or the mistakes in them.
//!
//! Nothing is chosen or merged here: that is [`nixvm_answers::resolve()`]'s. A source that cannot be
//! read is a problem like one with a mistake in it: it may be the one that names the disk to spare.

mod credentials;
mod files;
mod guestinfo;
mod missing;
mod nocloud;
mod passphrase;
mod silent;
mod volume;

use std::path::Path;

use nixvm_answers::{Problems, SourceAnswers, command_line};

use crate::command::Runner;
use crate::machine::hypervisor::Hypervisor;

pub use nocloud::{read_no_cloud, reads_no_cloud, silent_no_cloud};
pub use passphrase::read_passphrase;
pub use silent::name_silent;
pub use volume::{read_volume, silent_volume};

/// Whether the kernel's command line asks for a dialogue in plain lines in place of the screen.
pub fn wants_dialogue() -> bool {
    // Where it can't be read, that is a problem of the source "command line".
    let line = std::fs::read("/proc/cmdline").unwrap_or_default();
    command_line::wants_dialogue(&String::from_utf8_lossy(&line))
}

/// The answers of a source; none if there is no such source.
type Found = Result<Option<SourceAnswers>, Problems>;

/// Reads all sources that are there from the start. Volumes may come later: [`read_volume`].
pub async fn read(runner: &Runner, hypervisor: Hypervisor) -> Vec<Result<SourceAnswers, Problems>> {
    // The tools' output may contain a password's hash: none of it goes into the log.
    let silent = Runner::new(runner.cancellation().clone(), None);
    if let Err(error) = silent.tool("modprobe").arg("qemu_fw_cfg").run().await {
        tracing::debug!("no fw_cfg: {error:#}");
    }
    let mut found = files::read(Path::new("/"));
    found.extend(credentials::read(Path::new("/")));
    if hypervisor == Hypervisor::Vmware {
        found.extend(guestinfo::read(&silent, guestinfo::TOOL).await.transpose());
    }
    found
}
