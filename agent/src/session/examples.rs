//! Sessions for tests: their disks and answers are given, and an attempt is one that was recorded.
//!
//! All else is the installer's own code: what it decides, publishes and answers. The recordings, in
//! `agent/fixtures/attempts`, are of a booted machine; `cargo xtask screens` takes them anew.

use std::sync::Arc;

use nixvm_answers::password::Secret;
use tokio::sync::{broadcast, watch};

use super::*;
use crate::command::Cancelled;
use crate::control::request::InstallerHandle;
use crate::disk::Disk;
use crate::disk::receipt::Receipt;
use crate::event::{Outcome, PasswordOrigin, Record, Step};
use crate::install::TargetState;

/// An attempt that ended well.
pub(crate) const INSTALLED: &str = include_str!("../../fixtures/attempts/installed.jsonl");

/// One whose disk was full.
pub(crate) const FAILED: &str = include_str!("../../fixtures/attempts/failed.jsonl");

/// The password that a recorded attempt generates.
pub(crate) const GENERATED: &str = "bcde-fghi-jkno-prst";

/// The end of an attempt.
type Ended = Result<Installed, Failure>;

/// A session that has seen no disk come for long, on a virtual machine, and the handle that sends it requests.
pub(super) fn session() -> (Session, InstallerHandle) {
    let manifest =
        nixvm_manifest::parse(include_str!("../../manifest/fixtures/manifest.json")).unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let (handle, requests) = InstallerHandle::new();
    let context = SessionContext {
        manifest,
        machine: crate::machine::examples::machine(),
        source_answers: Vec::new(),
        passphrase: None,
        attached: watch::Sender::new(Attached::default()).subscribe(),
        rescan: None,
        requests,
        publisher: Publisher::new(Vec::new()),
        log: Arc::new(Log::open(log.path()).unwrap()),
        account: watch::Sender::new(Account::default()),
        shows_password: true,
        checkpoint_path: log.path().with_extension("checkpoint"),
        install: |_| Box::pin(std::future::pending()),
    };
    let mut session = Session::new(context);
    session.arrivals = Arrivals::long_ago();
    (session, handle)
}

/// A session that runs.
pub(crate) struct Running {
    pub(crate) handle: InstallerHandle,
    pub(crate) attached: watch::Sender<Attached>,
    /// What it publishes.
    pub(crate) records: broadcast::Receiver<Record>,
    pub(crate) account: watch::Receiver<Account>,
    pub(crate) log: Arc<Log>,
    pub(crate) work: JoinHandle<Result<ExitAction>>,
    /// Where it leaves its checkpoint.
    _folder: tempfile::TempDir,
}

impl Running {
    /// Runs a session with these disks, which it does not read; `change` is what else is given.
    pub(crate) fn start(disks: Vec<Disk>, change: impl FnOnce(&mut SessionContext)) -> Self {
        let (mut session, handle) = session();
        let devices = disks.iter().map(|disk| disk.device.clone()).collect();
        let attached = watch::Sender::new(Attached { devices, ..Attached::default() });
        session.context.attached = attached.subscribe();
        session.inventory.disks = disks;
        let folder = tempfile::tempdir().unwrap();
        session.checkpoint = Checkpoint::open(folder.path().join("checkpoint.json"));
        let records = session.context.publisher.records();
        change(&mut session.context);
        let (account, log) =
            (session.context.account.subscribe(), Arc::clone(&session.context.log));
        let work = tokio::spawn(async move {
            session.publish_disks();
            loop {
                if let Some(exit) = session.step().await? {
                    return Ok(exit);
                }
            }
        });
        Self { handle, attached, records, account, log, work, _folder: folder }
    }
}

/// The records of an attempt.
pub(crate) fn records(recording: &str) -> Vec<Record> {
    recording.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Installs as it was recorded.
pub(crate) async fn installs(attempt: Attempt) -> Ended {
    replay(&attempt, &records(INSTALLED))
}

/// Fails as it was recorded.
pub(crate) async fn fails(attempt: Attempt) -> Ended {
    replay(&attempt, &records(FAILED))
}

/// Installs as it was recorded until half of the system is copied, and goes on with nothing until it is stopped.
pub(crate) async fn copies(attempt: Attempt) -> Ended {
    let is_early = |record: &Record| match record.event {
        Event::Progress { bytes_done, bytes_total } => 2 * bytes_done <= bytes_total,
        _ => true,
    };
    let early: Vec<_> = records(INSTALLED).into_iter().take_while(is_early).collect();
    publish(&attempt, &early);
    attempt.runner.cancellation().cancelled().await;
    Err(Failure { step: Step::System, error: Cancelled.into(), disk: TargetState::Unfinished })
}

/// Publishes what was recorded, and ends as it did.
fn replay(attempt: &Attempt, recorded: &[Record]) -> Ended {
    let Some((Record { event: Event::AttemptEnded { outcome, error, .. }, .. }, steps)) =
        recorded.split_last()
    else {
        panic!("a recording ends as the attempt did")
    };
    publish(attempt, steps);
    match (outcome, error) {
        (Outcome::Installed, None) => {
            let hostname = attempt.plan.configuration.hostname.clone();
            let receipt = Receipt { hostname, ..Receipt::default() };
            Ok(Installed { receipt, host_key: None })
        }
        (Outcome::Failed, Some(problem)) => {
            let failed = |step: &Step| problem.step.as_deref() == Some(&*step.to_string());
            let step = Step::ALL.into_iter().find(failed).unwrap();
            let error = problem.message.strip_prefix(&format!("{} failed: ", step.title()));
            let error = anyhow::anyhow!(error.unwrap().to_owned());
            attempt.runner.note(&format!("== {} failed: {error}", step.title()));
            Err(Failure { step, error, disk: TargetState::Unfinished })
        }
        other => panic!("no attempt ends with {other:?}"),
    }
}

fn publish(attempt: &Attempt, recorded: &[Record]) {
    for record in recorded {
        let mut event = record.event.clone();
        // This attempt's own: the recorded one may have had another.
        if let Event::Password { origin } = &mut event {
            let expired = !attempt.manifest.graphical_login;
            attempt.account.send_if_modified(|account| generate(account, expired));
            *origin = attempt.account.borrow().origin;
        }
        if let Event::StepStarted { step } = event {
            attempt.runner.note(&format!("== {}", step.title()));
        }
        attempt.publisher.publish(event);
    }
}

/// As the account's step does where no password was given.
fn generate(account: &mut Account, expired: bool) -> bool {
    let missing = account.password.is_none();
    if missing {
        account.origin = PasswordOrigin::Generated;
        account.generated = Some(Secret::new(GENERATED.to_owned()));
        account.expired = expired;
    }
    missing
}
