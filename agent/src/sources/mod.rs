//! Where answers come from: this machine → what each source said, or what is wrong with it.
//!
//! Nothing is chosen or merged here: that is [`nixvm_answers::resolve()`]'s. A source that cannot be
//! read is a problem like one that is wrong, for nobody knows what it would have said.

mod files;
mod guestinfo;
mod volume;

use std::path::Path;

use nixvm_answers::{Problems, SourceAnswers};

use crate::command::Runner;
use crate::machine::hypervisor::Hypervisor;

pub use volume::{read_volume, silent_volume};

/// What a source said; nothing, if there is no such source.
type Found = Result<Option<SourceAnswers>, Problems>;

/// Reads all sources that are there from the start. Volumes may come later: [`read_volume`].
pub async fn read(runner: &Runner, hypervisor: Hypervisor) -> Vec<Result<SourceAnswers, Problems>> {
    // What the tools say may be a password's hash: none of it goes into the transcript.
    let silent = Runner::new(runner.cancellation().clone(), None);
    if let Err(error) = silent.tool("modprobe").arg("qemu_fw_cfg").run().await {
        tracing::debug!("no fw_cfg: {error:#}");
    }
    let mut found = files::read(Path::new("/"));
    if hypervisor == Hypervisor::Vmware {
        found.extend(guestinfo::read(&silent, guestinfo::TOOL).await.transpose());
    }
    found
}
