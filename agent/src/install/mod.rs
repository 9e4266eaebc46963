//! A plan that was consented to → an installed system, or a disk that does not boot and says that it
//! is unfinished.
//!
//! The steps run in order; whatever they mounted is taken down in reverse when one fails. Until the
//! last step has written the receipt, nothing on the disk can be booted: every EFI program is
//! withheld (see [`boot_loader`] and [`loaders`]).
//!
//! # Adding a step
//!
//! 1. A variant of [`Step`] in `event/step.rs`, where it runs, with its title and its place in `ALL`.
//! 2. Its share of the bar in `screen/overall.rs`.
//! 3. A module here with `run`, whose head says input → output, and its line in `steps`. It says what a
//!    failure leaves on the disk.
//! 4. A power cut in it: a row of `tests/lab/src/scenario/power.rs`.
//!
//! The name, the rest of the screen, the events and the counts follow from the variant. What is special about the
//! first and the last step (what a crash in them means in `session/checkpoint.rs`, and that a cancel
//! comes too late for the last) has to be looked at where the new one is either. A step that has to undo something
//! outside the target does that in [`clean_up`].

mod account;
mod blocking;
mod boot_loader;
mod closure;
mod completion;
mod configure;
mod encryption;
mod first_boot;
mod gc_roots;
mod handover;
mod holders;
mod host_key;
mod loaders;
mod mounted;
mod partition;
mod system;
mod target;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nixvm_answers::first_boot::FirstBoot;
use nixvm_manifest::Manifest;

pub use system::{build_arguments, transfer_arguments};

use crate::command::{Cancelled, Runner};
use crate::control::account::Account;
use crate::control::passphrase::Passphrase;
use crate::disk::Disk;
use crate::disk::layout;
use crate::disk::mounts;
use crate::disk::receipt::{Loader, Receipt};
use crate::event::Event;
use crate::event::Step;
use crate::event::publisher::Publisher;
use crate::plan::Plan;
use crate::plan::Problem;

/// Exists while the file systems below [`layout::MOUNT_POINT`] are ours: an agent that follows a
/// crashed one unmounts those, and leaves foreign mounts alone. The mappings that are ours are in it,
/// a line each.
const MOUNTED: &str = "/run/nixvm/mounted";

/// Where disko's script has its temporary folders: it mounts a btrfs there while it makes subvolumes.
const SCRATCH: &str = "/run/nixvm/disko";

/// One attempt to carry out a plan.
pub struct Attempt {
    /// Names the attempt, on the disk and in the log.
    pub id: String,
    /// What to do.
    pub plan: Plan,
    /// What the ISO carries.
    pub manifest: Manifest,
    /// Where events go.
    pub publisher: Publisher,
    /// Runs the commands, until it is cancelled.
    pub runner: Runner,
    /// The account's secrets; may still be asked for when the attempt begins.
    pub account: tokio::sync::watch::Sender<Account>,
    /// What the layout's LUKS is made with; not in the plan.
    pub passphrase: Option<Passphrase>,
    /// What the installed system runs once. It may have secrets in it, so it is not in the plan.
    pub first_boot: Option<FirstBoot>,
    /// Whether to make sshd's host key, for a webhook to receive.
    pub wants_host_key: bool,
    /// The log to be left on the target.
    pub log: PathBuf,
    /// What has become of the disk so far.
    pub target_state: TargetStateCell,
}

/// A system that was installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// The receipt on its disk.
    pub receipt: Receipt,
    /// The public half of sshd's host key, if one was made.
    pub host_key: Option<String>,
}

/// What has become of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetState {
    /// Nothing was written to it.
    #[default]
    Untouched,
    /// It does not boot, and says that it is unfinished.
    Unfinished,
    /// It has its receipt.
    Installed,
}

/// Where the steps say what has become of the target.
#[derive(Clone, Debug, Default)]
pub struct TargetStateCell(Arc<Mutex<TargetState>>);

impl TargetStateCell {
    fn set(&self, lasting: TargetState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lasting;
    }

    /// What has become of it so far.
    pub fn get(&self) -> TargetState {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step failed, or was cancelled.
#[derive(Debug)]
pub struct Failure {
    /// Which step.
    pub step: Step,
    /// What happened.
    pub error: anyhow::Error,
    /// What has become of the disk.
    pub disk: TargetState,
}

impl Failure {
    /// Whether the attempt was cancelled.
    pub fn is_cancel(&self) -> bool {
        self.error.chain().any(|cause| cause.is::<Cancelled>())
    }

    /// The failure for people.
    pub fn problem(&self) -> Problem {
        Problem {
            kind: "step-failed".to_owned(),
            message: format!("{} failed: {:#}", self.step.title(), self.error),
            hint: format!(
                "{} See the log, {}, fix the cause, then retry.",
                match self.disk {
                    TargetState::Untouched => "Nothing on the disk was erased.",
                    TargetState::Unfinished =>
                        "The disk will not boot. You can install to it again.",
                    TargetState::Installed =>
                        "The system on the disk is complete; the next start of the installer puts its boot \
                         loader in place.",
                },
                crate::command::log::PATH
            ),
            step: Some(self.step.to_string()),
        }
    }
}

/// Installs.
///
/// # Errors
/// The first step that failed, after everything was unmounted again.
pub async fn run(mut attempt: Attempt) -> Result<Installed, Failure> {
    let result = steps(&mut attempt).await;
    if result.is_err() {
        clean_up(&attempt.runner.uncancellable()).await;
    } else if let Err(error) = note_unmounted() {
        tracing::warn!("{error:#}");
    }
    result
}

async fn steps(attempt: &mut Attempt) -> Result<Installed, Failure> {
    let a = &*attempt;
    let target = step(a, Step::Partition, partition::run(a)).await?;
    let host_key = step(a, Step::Configure, configure::run(a)).await?;
    let toplevel = step(a, Step::System, system::run(a)).await?;
    step(a, Step::Account, account::run(a)).await?;
    let withheld = step(a, Step::BootLoader, boot_loader::run(a, &toplevel)).await?;
    let receipt = step(a, Step::Verify, verify::run(a, &target, &toplevel, &withheld)).await?;
    step(a, Step::Handover, handover::run(a, &target, withheld, &receipt)).await?;
    Ok(Installed { receipt, host_key })
}

async fn step<T>(
    attempt: &Attempt,
    step: Step,
    work: impl Future<Output = Result<T>>,
) -> Result<T, Failure> {
    let fail = |error| Failure { step, error, disk: attempt.target_state.get() };
    attempt.publisher.publish(Event::StepStarted { step });
    attempt.runner.note(&format!("== {}", step.title()));
    let started = Instant::now();
    let result = work.await;
    // A cancel that arrived while no command ran still stops before the next step.
    if result.is_ok() && attempt.runner.cancellation().is_cancelled() && step != Step::Handover {
        return Err(fail(Cancelled.into()));
    }
    let value = result.map_err(|error| {
        attempt.runner.note(&format!("== {} failed: {error:#}", step.title()));
        fail(error)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    attempt.publisher.publish(Event::StepFinished { step, duration_seconds: seconds });
    Ok(value)
}

/// Makes the machine start a disk that was installed earlier, whatever its install had left to do.
///
/// # Errors
/// Its loader can't be put in place, or the firmware's variables can't be written.
pub async fn boot_installed(runner: &Runner, disk: &Disk) -> Result<()> {
    let receipt = disk.content.receipt.as_ref().context("there is no receipt on the disk")?;
    if receipt.loader == Loader::Withheld || disk.content.marker.is_some() {
        let completed =
            completion::complete(disk).context("the interrupted install could not be completed");
        match completed {
            Err(error) if receipt.loader == Loader::InPlace => runner.note(&format!("{error:#}")),
            completed => completed?,
        }
    }
    handover::boot_next(runner, &disk.device.node, layout::ESP.number)
        .await
        .context("the firmware's boot order could not be changed")
}

/// How long unmounting may take, with all that is still to be written.
const UNMOUNTING: Duration = Duration::from_secs(300);

/// How long a file system that is in use is tried to be unmounted again.
const IN_USE: Duration = Duration::from_secs(15);

/// Unmounts what an attempt has mounted, and closes what it has opened, whether this process made it or one that died.
///
/// Nothing here stops at an error: what can be undone is undone, and the next attempt refuses a disk
/// that is still in use.
pub async fn clean_up(runner: &Runner) {
    let scratch = mounts::table().map(|mounts| mounted::below(&mounts, SCRATCH));
    for path in scratch.unwrap_or_default().into_iter().rev() {
        unmount(runner, &path).await;
    }
    if let Err(error) = encryption::forget_passphrase() {
        tracing::warn!("{error:#}");
    }
    let mappings = std::fs::read_to_string(MOUNTED).ok();
    let ours = mappings.is_some();
    for path in [handover::ESP_PATH, layout::MOUNT_POINT] {
        let foreign = path == layout::MOUNT_POINT && !ours;
        if foreign || !is_mount_point(Path::new(path)) {
            continue;
        }
        unmount(runner, Path::new(path)).await;
    }
    if let Some(mappings) = mappings
        && !is_mount_point(Path::new(layout::MOUNT_POINT))
    {
        let mappings: Vec<_> = mappings.lines().collect();
        let closed = tokio::time::timeout(UNMOUNTING, encryption::close(runner, &mappings)).await;
        let closed =
            closed.unwrap_or_else(|_| bail!("the disk does not answer: its LUKS stays open"));
        if let Err(error) = closed.and_then(|()| note_unmounted()) {
            tracing::warn!("{error:#}");
        }
    }
    if let Err(error) = target::remove_rule(runner).await {
        tracing::warn!("cannot remove the udev rule: {error:#}");
    }
}

async fn unmount(runner: &Runner, path: &Path) {
    let shown = path.display();
    match tokio::time::timeout(UNMOUNTING, unmount_when_unused(runner, path)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("cannot unmount {shown}: {error:#}"),
        Err(_) => tracing::warn!("cannot unmount {shown}: its disk does not answer"),
    }
}

/// Unmounts; again while a thread that a cancel did not wait for still has a file there.
async fn unmount_when_unused(runner: &Runner, path: &Path) -> Result<()> {
    let started = Instant::now();
    loop {
        let unmounted = runner.tool("umount").arg("--recursive").arg(path).run().await;
        if unmounted.is_ok() || started.elapsed() >= IN_USE {
            return unmounted.map(drop);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Notes that what is mounted at [`layout::MOUNT_POINT`] is ours, and these mappings, so that a later agent knows
/// what to unmount and close.
fn note_mounted(mappings: &[&str]) -> Result<()> {
    let lines: String = mappings.iter().flat_map(|name| [name, "\n"]).collect();
    std::fs::write(MOUNTED, lines).with_context(|| format!("cannot write {MOUNTED}"))
}

/// Notes that nothing of ours is mounted.
fn note_unmounted() -> Result<()> {
    match std::fs::remove_file(MOUNTED) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {MOUNTED}"))
        }
        _ => Ok(()),
    }
}

fn is_mount_point(path: &Path) -> bool {
    mounts::table().is_ok_and(|mounts| mounts.iter().any(|mount| mount.path == path))
}
