//! The events of each outcome, in order.

use std::time::Duration;

use nixvm_answers::document;
use nixvm_answers::password::Secret;
use nixvm_answers::source::Source;

use super::*;
use crate::command::Cancelled;
use crate::control::passphrase::Passphrase;
use crate::control::request::Request;
use crate::disk::Disk;
use crate::disk::receipt::Receipt;
use crate::event::{Record, State, Step};
use crate::machine::Firmware;
use crate::plan::PassphraseOrigin;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session that runs, and the events that it has published.
struct Fixture {
    running: Running,
    kinds: Vec<String>,
}

impl Fixture {
    /// Runs a session with these disks and answers.
    fn start(disks: Vec<Disk>, answers: &str, change: impl FnOnce(&mut SessionContext)) -> Self {
        let running = Running::start(disks, |context| {
            context.source_answers = vec![document::parse(answers.as_bytes(), Source::Request)];
            change(context);
        });
        Self { running, kinds: Vec::new() }
    }

    /// Waits for the next event that `find` wants.
    async fn until(&mut self, find: impl Fn(&Event) -> bool) -> Event {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.running.records.recv());
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
        assert!(self.running.records.is_empty(), "something follows the verdict");
        self.running.work.abort();
        self.kinds
    }
}

/// What comes before the first step of an install that begins by itself.
const BEGINNING: [&str; 7] = [
    "disks",
    "state countdown",
    "plan",
    "countdown",
    "state installing",
    "attempt-started",
    "password",
];

fn after_beginning(rest: &[&str]) -> Vec<String> {
    BEGINNING.iter().chain(rest).map(|kind| (*kind).to_owned()).collect()
}

fn step(attempt: &Attempt, step: Step) {
    attempt.publisher.publish(Event::StepStarted { step });
    attempt.publisher.publish(Event::StepFinished { step, duration_seconds: 0.0 });
}

#[tokio::test]
async fn finished() {
    let fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |context| {
            context.install = |attempt| {
                Box::pin(async move {
                    Step::ALL.into_iter().for_each(|one| step(&attempt, one));
                    Ok(Installed::default())
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
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |context| {
            context.install = |attempt| {
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
) -> Pin<Box<dyn Future<Output = Result<Installed, Failure>> + Send>> {
    Box::pin(async move {
        attempt.publisher.publish(Event::StepStarted { step: Step::Partition });
        attempt.runner.cancellation().cancelled().await;
        fails(Step::Partition, Cancelled.into())
    })
}

#[tokio::test]
async fn cancelled() {
    let mut fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |context| {
            context.install = until_stopped;
        });
    fixture.until(|event| matches!(event, Event::StepStarted { .. })).await;
    fixture.running.handle.ask(Request::Cancel).await.unwrap();
    let ends = ["begun partition", "state cancelled", "verdict cancelled"];
    assert_eq!(fixture.published().await, after_beginning(&ends));
}

#[tokio::test]
async fn failed_because_the_disk_was_pulled() {
    let mut fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "countdown = 0", |context| {
            context.install = until_stopped;
        });
    fixture.until(|event| matches!(event, Event::StepStarted { .. })).await;
    fixture.running.attached.send_replace(Attached::default());
    let verdict = fixture.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
    let Event::AttemptEnded { error: Some(problem), .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(problem.kind, "disk-removed");
    let ends = ["begun partition", "state failed", "verdict failed"];
    assert_eq!(fixture.kinds, after_beginning(&ends));
}

#[tokio::test]
async fn refused() {
    let fixture = Fixture::start(vec![crate::disk::examples::disk("vda")], "", |context| {
        context.machine.firmware = Firmware::Bios;
    });
    assert_eq!(fixture.published().await, ["disks", "state refused", "verdict refused"]);
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
        fixture.running.handle.ask(Request::Retry).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_passphrase_that_is_typed_is_what_was_missing() {
    let disks = vec![crate::disk::examples::disk("vda")];
    let mut fixture = Fixture::start(disks, "countdown = 0", |context| {
        context.manifest.layout[1].mapping = Some("crypt".to_owned());
        context.install = |attempt| {
            let passphrase = attempt.passphrase.unwrap();
            assert_eq!(passphrase.reveal(), "correct horse");
            Box::pin(async { fails(Step::Partition, anyhow::anyhow!("far enough")) })
        };
    });
    let verdict = fixture.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
    let Event::AttemptEnded { error, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(error.unwrap().kind, "no-passphrase");
    let secret = Secret::new("correct horse".to_owned());
    let passphrase = Passphrase::new(secret, PassphraseOrigin::Typed).unwrap();
    fixture.running.handle.ask(Request::Passphrase { passphrase }).await.unwrap();
    let plan = fixture.until(|event| matches!(event, Event::Plan { .. })).await;
    let Event::Plan { plan, .. } = plan else { panic!("{plan:?}") };
    assert_eq!(plan.passphrase, Some(PassphraseOrigin::Typed));
    let verdict = fixture.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
    let Event::AttemptEnded { error, .. } = verdict else { panic!("{verdict:?}") };
    let message = error.unwrap().message;
    assert!(message.contains("far enough"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_passphrase_that_was_typed_with_another_keymap_is_typed_again() {
    let disks = vec![crate::disk::examples::disk("vda")];
    let mut fixture = Fixture::start(disks, "", |context| {
        context.source_answers = vec![document::parse(b"countdown = 600", Source::Iso)];
        context.manifest.layout[1].mapping = Some("crypt".to_owned());
    });
    fixture.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
    let secret = Secret::new("correct horse".to_owned());
    let passphrase = Passphrase::new(secret, PassphraseOrigin::Typed).unwrap();
    fixture.running.handle.ask(Request::Passphrase { passphrase }).await.unwrap();
    fixture.until(|event| matches!(event, Event::Plan { .. })).await;
    let answers = Request::Answers { toml: Secret::new("keymap = 'de'".to_owned()), merge: true };
    fixture.running.handle.ask(answers).await.unwrap();
    let verdict = fixture.until(|event| matches!(event, Event::AttemptEnded { .. })).await;
    let Event::AttemptEnded { error, .. } = verdict else { panic!("{verdict:?}") };
    let error = error.unwrap();
    assert!(error.kind == "no-passphrase" && error.hint.contains("keymap de"), "{error:?}");
}

#[tokio::test]
async fn installed_already() {
    let mut disk = crate::disk::examples::disk("vda");
    disk.content.receipt = Some(Receipt::default());
    let fixture = Fixture::start(vec![disk], "", |_| {});
    let expected =
        ["disks", "state already-installed", "finish-scheduled", "verdict already-installed"];
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
    assert_eq!(fixture.kinds, ["disks", "state choosing-disk"]);
    let mut fixture =
        Fixture::start(vec![crate::disk::examples::disk("vda")], "erase = 'confirm'", |_| {});
    fixture.until(|event| matches!(event, Event::Plan { .. })).await;
    assert_eq!(fixture.kinds, ["disks", "state awaiting-confirmation", "plan"]);
    assert!(fixture.running.records.is_empty() && !fixture.running.work.is_finished());
}
