//! The events of each outcome, in order.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use nixvm_answers::document;
use nixvm_answers::source::Source;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::arrivals::Arrivals;
use super::*;
use crate::command::Cancelled;
use crate::control::request::{InstallerHandle, Request, RequestError};
use crate::disk::Disk;
use crate::disk::watch::Attached;
use crate::event::{Record, State, Step};
use crate::install::TargetState;
use crate::machine::Firmware;

/// A session that has seen no disk come for long, on a virtual machine, and the handle that sends it requests.
pub(super) fn session() -> (Session, InstallerHandle) {
    let manifest =
        nixvm_manifest::parse(include_str!("../../../manifest/fixtures/manifest.json")).unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let (handle, requests) = InstallerHandle::new();
    let context = SessionContext {
        manifest,
        machine: crate::machine::examples::machine(),
        source_answers: Vec::new(),
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

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session that runs, and the events that it publishes.
struct Fixture {
    handle: InstallerHandle,
    attached: watch::Sender<Attached>,
    records: Receiver<Record>,
    kinds: Vec<String>,
    work: JoinHandle<Result<ExitAction>>,
}

impl Fixture {
    /// Runs a session with these disks and answers; it reads neither again.
    fn start(disks: Vec<Disk>, answers: &str, change: impl FnOnce(&mut Session)) -> Self {
        let (mut session, handle) = session();
        let devices = disks.iter().map(|disk| disk.device.clone()).collect();
        let attached = watch::Sender::new(Attached { devices, ..Attached::default() });
        session.context.attached = attached.subscribe();
        session.inventory.disks = disks;
        session.user.answers = Some(document::parse(answers.as_bytes(), Source::Request));
        change(&mut session);
        let records = session.context.publisher.records();
        let work = tokio::spawn(async move {
            loop {
                if let Some(exit) = session.step().await? {
                    return Ok(exit);
                }
            }
        });
        Self { handle, attached, records, kinds: Vec::new(), work }
    }

    /// Waits for the next event that `find` wants.
    async fn until(&mut self, find: impl Fn(&Event) -> bool) -> Event {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.records.recv());
            let Record { event, .. } = next.await.unwrap().unwrap();
            self.kinds.push(match &event {
                Event::State { to, .. } => format!("state {}", to.name()),
                Event::StepStarted { step } => format!("begun {step}"),
                Event::StepFinished { step, .. } => format!("done {step}"),
                Event::AttemptEnded { outcome, .. } => format!("verdict {}", outcome.name()),
                other => other.name().to_owned(),
            });
            if find(&event) {
                return event;
            }
        }
    }

    /// The kinds of all events until the verdict, which is the last.
    async fn published(mut self) -> Vec<String> {
        self.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
        assert!(self.records.is_empty(), "something follows the verdict");
        self.work.abort();
        self.kinds
    }
}

/// What comes before the first step of an install that begins by itself.
const BEGINNING: [&str; 6] =
    ["state countdown", "plan", "countdown", "state installing", "attempt-started", "password"];

fn after_beginning(rest: &[&str]) -> Vec<String> {
    BEGINNING.iter().chain(rest).map(|kind| (*kind).to_owned()).collect()
}

fn step(attempt: &Attempt, step: Step) {
    attempt.publisher.publish(Event::StepStarted { step });
    attempt.publisher.publish(Event::StepFinished { step, duration_seconds: 0.0 });
}

fn fails(step: Step, error: anyhow::Error) -> Result<Receipt, Failure> {
    Err(Failure { step, error, disk: TargetState::Unfinished })
}

#[tokio::test]
async fn finished() {
    let fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |session| {
            session.context.install = |attempt| {
                Box::pin(async move {
                    Step::ALL.into_iter().for_each(|one| step(&attempt, one));
                    Ok(Receipt::default())
                })
            };
        });
    let mut expected = after_beginning(&[]);
    for step in Step::ALL {
        expected.extend([format!("begun {step}"), format!("done {step}")]);
    }
    expected
        .extend(["state installed", "finish-scheduled", "verdict installed"].map(str::to_owned));
    assert_eq!(fixture.published().await, expected);
}

#[tokio::test]
async fn failed() {
    let fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |session| {
            session.context.install = |attempt| {
                Box::pin(async move {
                    step(&attempt, Step::Partition);
                    attempt.publisher.publish(Event::StepStarted { step: Step::Configure });
                    fails(Step::Configure, anyhow::anyhow!("no space left"))
                })
            };
        });
    let rest = ["begun partition", "done partition", "begun configure"];
    let ends = ["state failed", "verdict failed"];
    assert_eq!(fixture.published().await, after_beginning(&[&rest[..], &ends[..]].concat()));
}

/// Fails when it is stopped, as what runs commands does.
fn until_stopped(
    attempt: Attempt,
) -> Pin<Box<dyn Future<Output = Result<Receipt, Failure>> + Send>> {
    Box::pin(async move {
        attempt.publisher.publish(Event::StepStarted { step: Step::Partition });
        attempt.runner.cancellation().cancelled().await;
        fails(Step::Partition, Cancelled.into())
    })
}

#[tokio::test]
async fn cancelled() {
    let mut fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |session| {
            session.context.install = until_stopped;
        });
    fixture.until(|event| matches!(event, Event::StepStarted { .. })).await;
    fixture.handle.ask(Request::Cancel).await.unwrap();
    let ends = ["begun partition", "state cancelled", "verdict cancelled"];
    assert_eq!(fixture.published().await, after_beginning(&ends));
}

#[tokio::test]
async fn failed_because_the_disk_was_pulled() {
    let mut fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |session| {
            session.context.install = until_stopped;
        });
    fixture.until(|event| matches!(event, Event::StepStarted { .. })).await;
    fixture.attached.send_replace(Attached::default());
    let verdict = fixture.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
    let Event::AttemptEnded { error: Some(problem), .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(problem.kind, "disk-removed");
    let ends = ["begun partition", "state failed", "verdict failed"];
    assert_eq!(fixture.kinds, after_beginning(&ends));
}

#[tokio::test]
async fn refused() {
    let fixture = Fixture::start(vec![crate::disk::examples::disk("vda")], "", |session| {
        session.context.machine.firmware = Firmware::Bios;
    });
    assert_eq!(fixture.published().await, ["state refused", "verdict refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_asked_is_a_refusal_and_a_retry_asks_it_again() {
    // Wherever this runs, a link, an address or the connection is missing: nothing listens there.
    let answers = "countdown = 0\nanswers.url = 'https://127.0.0.1:1/'";
    let mut fixture = Fixture::start(vec![crate::disk::examples::disk("vda")], answers, |_| {});
    for _ in 0..2 {
        let asks = |event: &Event| match event {
            Event::State { to, message, .. } => {
                *to == State::Preflight
                    && message.starts_with("Fetching answers from https://127.0.0.1:1/")
            }
            _ => false,
        };
        fixture.until(asks).await;
        let verdict = fixture.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
        let Event::AttemptEnded { outcome, error, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!((outcome.name(), error.unwrap().kind.as_str()), ("refused", "no-answers"));
        assert!(fixture.kinds.iter().all(|kind| kind != "plan"), "{:?}", fixture.kinds);
        fixture.handle.ask(Request::Retry).await.unwrap();
    }
}

#[tokio::test]
async fn installed_already() {
    let mut disk = crate::disk::examples::disk("vda");
    disk.content.receipt = Some(Receipt::default());
    let fixture = Fixture::start(vec![disk], "", |_| {});
    let expected = ["state already-installed", "finish-scheduled", "verdict already-installed"];
    assert_eq!(fixture.published().await, expected);
}

#[tokio::test]
async fn nothing_ends_while_a_choice_is_awaited() {
    let mut fixture = Fixture::start(Vec::new(), "", |_| {});
    fixture.until(|event| matches!(event, Event::State { .. })).await;
    assert_eq!(fixture.kinds, ["state waiting-for-disk"]);
    let mut fixture = Fixture::start(
        vec![crate::disk::examples::disk("vda"), crate::disk::examples::disk("vdb")],
        "",
        |_| {},
    );
    fixture.until(|event| matches!(event, Event::State { .. })).await;
    assert_eq!(fixture.kinds, ["state choosing-disk"]);
    let mut fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "erase = 'confirm'", |_| {});
    fixture.until(|event| matches!(event, Event::Plan { .. })).await;
    assert_eq!(fixture.kinds, ["state awaiting-confirmation", "plan"]);
    assert!(fixture.records.is_empty() && !fixture.work.is_finished());
}

/// An installer that has a blank disk and these answers, and does nothing yet.
fn asking(answers: &str) -> (Session, (watch::Sender<Attached>, InstallerHandle)) {
    let (mut session, handle) = session();
    let attached = watch::Sender::new(Attached::default());
    session.context.attached = attached.subscribe();
    session.inventory.disks = vec![crate::disk::examples::disk("vda")];
    session.user.answers = Some(document::parse(answers.as_bytes(), Source::Request));
    (session, (attached, handle))
}

/// Asks for something, and returns where the answer arrives.
fn take(session: &mut Session, request: Request) -> oneshot::Receiver<Result<(), RequestError>> {
    let (reply, answer) = oneshot::channel();
    session.handle_request(Message { request, reply });
    answer
}

#[tokio::test]
async fn a_confirmation_of_what_has_changed_counts_for_nothing_later() {
    let (mut session, _others) = asking("erase = 'confirm'");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    let mut answer = take(&mut session, Request::Confirm { token: token.clone() });
    assert!(answer.try_recv().is_err(), "it was answered before the disks were looked at");
    let digest =
        std::mem::replace(&mut session.inventory.disks[0].content.digest, "other".to_owned());
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Err(RequestError::WrongToken)));
    session.inventory.disks[0].content.digest = digest;
    assert!(session.step().now_or_never().is_none());
    assert_eq!(
        (status.borrow().state, &status.borrow().token),
        (State::AwaitingConfirmation, &token)
    );
}

#[tokio::test]
async fn a_confirmation_is_not_answered_by_another_plan_that_goes_by_itself() {
    let (mut session, _others) = asking("erase = 'confirm'");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    let mut answer = take(&mut session, Request::Confirm { token: token.clone() });
    // The survey that follows finds other answers.
    session.user.answers = Some(document::parse(b"countdown = 0", Source::Request));
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::Installing);
    assert_ne!(status.borrow().token, token);
    assert_eq!(answer.try_recv(), Ok(Err(RequestError::WrongToken)));
}

/// A session that has found a blank disk just now, with no countdown.
fn begins_at_once(rule: &str) -> (Session, (watch::Sender<Attached>, InstallerHandle)) {
    let (mut session, others) = asking(&format!("erase = 'any'\ncountdown = 0\n{rule}"));
    session.arrivals = Arrivals::default();
    session.arrivals.note(&session.inventory.disks);
    (session, others)
}

#[tokio::test(start_paused = true)]
async fn the_largest_disk_is_seen_though_its_bus_is_slow() {
    let (mut session, (attached, _handle)) = begins_at_once("disk = 'largest'");
    let status = session.context.publisher.status();
    let started = tokio::time::Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        attached.send_replace(Attached::default());
        std::future::pending::<()>().await;
    });
    assert_eq!(session.step().await.unwrap(), None);
    assert_eq!((status.borrow().state, started.elapsed().as_secs()), (State::WaitingForDisk, 3));
    let mut larger = crate::disk::examples::disk("sda");
    larger.device.size_bytes *= 2;
    session.inventory.disks.push(larger);
    session.arrivals.note(&session.inventory.disks);
    // The clock starts again; another survey that finds the same does not change that.
    tokio::time::advance(Duration::from_secs(2)).await;
    session.arrivals.note(&session.inventory.disks);
    session.context.attached.mark_unchanged();
    assert_eq!(session.step().await.unwrap(), None);
    assert_eq!((status.borrow().state, started.elapsed().as_secs()), (State::WaitingForDisk, 8));
    session.arrivals.note(&session.inventory.disks);
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::Installing);
    assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, "sda");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_alone_at_first_is_not_the_only_one_at_once() {
    let (mut session, _others) = begins_at_once("");
    let status = session.context.publisher.status();
    assert_eq!(session.step().await.unwrap(), None);
    let message = status.borrow().message.clone();
    assert!(message.contains("no rule says which one is meant"), "{message}");
    session.inventory.disks.push(crate::disk::examples::disk("sda"));
    session.arrivals.note(&session.inventory.disks);
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::ChoosingDisk);
}

#[tokio::test]
async fn whoever_chose_a_disk_that_is_gone_is_told_so() {
    let (mut session, _others) = asking("");
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    let mut answer = take(&mut session, Request::Select { disk: "vdb".to_owned() });
    session.inventory.disks.pop();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(
        answer.try_recv(),
        Ok(Err(RequestError::NoSuchDisk { disk: "/dev/vdb".to_owned() }))
    );
}

#[tokio::test]
async fn a_countdown_that_was_not_shown_begins_anew() {
    let (mut session, _others) = asking("countdown = 600");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().countdown, Some(600));
    let elapsed = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    // The disks were looked at for longer than it was.
    let Phase::Countdown(countdown) = &mut session.phase else { panic!("it counts down") };
    countdown.end = elapsed;
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().countdown, Some(3));
    // Another disk is plugged in, and taken away again.
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::ChoosingDisk);
    session.inventory.disks.pop();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().countdown, Some(600));
}

#[tokio::test]
async fn another_try_is_for_the_disk_that_failed_and_is_told_whole() {
    let (mut session, _others) = asking("countdown = 600");
    session.context.install =
        |_| Box::pin(async { fails(Step::Configure, anyhow::anyhow!("no space left")) });
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    take(&mut session, Request::Confirm { token });
    assert!(session.step().await.unwrap().is_none());
    take(&mut session, Request::Retry);
    let mut records = session.context.publisher.records();
    assert!(session.step().await.unwrap().is_none());
    let kinds: Vec<_> = std::iter::from_fn(|| records.try_recv().ok())
        .map(|record| record.event.name().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["state", "plan", "state", "attempt-started", "password", "state", "attempt-ended"]
    );

    // What was meant as another try is forgotten once there is a choice.
    take(&mut session, Request::Retry);
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    assert!(session.step().now_or_never().is_none());
    for disk in ["vdb", "vda"] {
        take(&mut session, Request::Select { disk: disk.to_owned() });
        assert!(session.step().now_or_never().is_none());
        assert_eq!(status.borrow().countdown, Some(600), "{disk}");
        assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, disk);
    }
}

#[tokio::test]
async fn who_is_answered_sees_what_came_of_it() {
    let (mut session, _others) = asking("erase = 'confirm'");
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::ChoosingDisk);
    let mut answer = take(&mut session, Request::Select { disk: "vdb".to_owned() });
    assert!(answer.try_recv().is_err(), "there is no plan yet");
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, "vdb");
    let token = status.borrow().token.clone();
    let mut answer = take(&mut session, Request::Confirm { token });
    assert!(answer.try_recv().is_err(), "it has not begun yet");
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(status.borrow().state, State::Installing);
}

#[tokio::test]
async fn a_refusal_shows_no_earlier_plan_and_takes_no_token_of_it() {
    let (mut session, _others) = asking("erase = 'confirm'");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, "vda");
    // The answers that the plan came of are gone, and those that are left have a mistake.
    session.user.answers = Some(document::parse(b"countdown = 'x'", Source::Request));
    assert!(session.step().now_or_never().is_none());
    let now = status.borrow().clone();
    assert_eq!((now.state, now.plan, &*now.token), (State::Refused, None, ""));
    let mut answer = take(&mut session, Request::Confirm { token });
    assert_eq!(answer.try_recv(), Ok(Err(RequestError::WrongState { state: "refused" })));
}

#[tokio::test]
async fn a_countdown_that_is_stopped_awaits_confirmation_of_the_same_plan() {
    let (mut session, _others) = asking("countdown = 600");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let before = status.borrow().clone();
    assert_eq!((before.state, before.countdown), (State::Countdown, Some(600)));
    let mut answer = take(&mut session, Request::Cancel);
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    let after = status.borrow().clone();
    assert_eq!((after.state, after.countdown), (State::AwaitingConfirmation, None));
    assert_eq!((after.plan, &after.token), (before.plan, &before.token));
    take(&mut session, Request::Confirm { token: after.token });
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::Installing);
}
