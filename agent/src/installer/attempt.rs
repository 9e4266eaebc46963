//! A plan that was consented to → an attempt, watched until it ends, and its verdict.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use nixvm_answers::Resolved;
use tokio_util::sync::CancellationToken;

use super::{Installer, Leave};
use crate::command::{Runner, Transcript};
use crate::event::{Event, Outcome, PasswordOrigin, Problem, Record, State};
use crate::install::{self, Account, Lasting};
use crate::plan::Plan;
use crate::request::Envelope;

impl Installer {
    /// Installs, and takes requests meanwhile.
    pub(super) async fn install(
        &mut self,
        plan: Plan,
        answers: Option<Resolved>,
    ) -> Result<Option<Leave>> {
        let started = Instant::now();
        let id = uuid::Uuid::new_v4().to_string();
        if self.state() != State::Consent {
            self.propose(&plan, "The install begins again.");
        }
        self.enter(State::Installing, &plan.sentence());
        self.parts.board.publish(Event::Installing { attempt: id.clone() });
        self.answer(true);
        self.prepare_account(answers.as_ref());
        self.journal.begin(self.wishes.disk.clone());
        let mut records = self.parts.board.records();
        let cancel = CancellationToken::new();
        let transcript: Arc<dyn Transcript> = Arc::clone(&self.parts.log) as _;
        let target = plan.target.clone();
        let finish = plan.finish;
        let attempt = install::Attempt {
            id,
            plan,
            manifest: self.parts.manifest.clone(),
            board: self.parts.board.clone(),
            runner: Runner::new(cancel.clone(), Some(transcript)),
            account: self.parts.account.clone(),
            log: self.parts.log.path().to_owned(),
            fate: install::Fate::default(),
        };
        let mut work = tokio::spawn((self.parts.install)(attempt));
        let mut unplugged = false;
        let result = loop {
            tokio::select! {
                result = &mut work => break result?,
                record = records.recv() => {
                    if let Ok(Record { event: Event::StepStarted { step }, .. }) = record {
                        self.journal.step(step);
                    }
                }
                envelope = self.parts.requests.recv() => {
                    let Some(Envelope { request, reply }) = envelope else { continue };
                    self.attended = true;
                    let _nobody_waits = reply.send(self.follow_while_installing(request, &cancel));
                }
                changed = self.parts.attached.changed() => {
                    changed?;
                    let attached = self.parts.attached.borrow_and_update().clone();
                    let present = attached.devices.iter().any(|d| target.identity.is_device(d));
                    if !present {
                        unplugged = true;
                        cancel.cancel();
                    }
                }
            }
        };
        let seconds = Some(started.elapsed().as_secs_f64());
        self.retry = None;
        self.ended = true;
        self.wishes.confirmed = None;
        match result {
            Ok(receipt) => {
                let message = format!("{} is installed.", receipt.hostname);
                self.journal.clear();
                let leaving = self.plan_farewell(finish);
                self.end(
                    State::Finished,
                    &message,
                    Some(leaving),
                    Outcome::Finished,
                    None,
                    seconds,
                );
                return self.farewell().await;
            }
            Err(failure) if failure.is_cancel() && !unplugged => {
                let message = match failure.disk {
                    Lasting::Untouched => "The install was cancelled; nothing was written.",
                    Lasting::Unfinished => "The install was cancelled; the disk does not boot.",
                    Lasting::Installed => "The install was cancelled when it was complete.",
                };
                self.journal.end(State::Cancelled, message, Outcome::Cancelled, None);
                self.end(State::Cancelled, message, None, Outcome::Cancelled, None, seconds);
            }
            Err(failure) => {
                let mut problem = failure.problem();
                if unplugged {
                    problem = Problem {
                        kind: "disk-gone".to_owned(),
                        message: format!(
                            "{} was removed while it was being installed to.",
                            target.identity.node.display()
                        ),
                        hint: "Attach it again, then retry.".to_owned(),
                    };
                }
                let message = problem.message.clone();
                self.journal.end(State::Failed, &message, Outcome::Failed, Some(problem.clone()));
                self.end(State::Failed, &message, None, Outcome::Failed, Some(problem), seconds);
            }
        }
        Ok(None)
    }

    /// Takes what the answers say of the account; what was made up for an earlier attempt is not
    /// used again.
    fn prepare_account(&self, answers: Option<&Resolved>) {
        self.parts.account.send_modify(|account| {
            if account.origin == PasswordOrigin::MadeUp {
                *account = Account { typing: account.typing, ..Account::default() };
            }
            let Some(answers) = answers else { return };
            if let Some(hash) = &answers.password_hash {
                account.password = Some(hash.value.clone());
                account.origin = PasswordOrigin::Answers;
            }
            account.keys =
                answers.ssh_authorized_keys.value.iter().map(ToString::to_string).collect();
        });
        let origin = self.parts.account.borrow().origin;
        self.parts.board.publish(Event::Password { origin });
    }
}
