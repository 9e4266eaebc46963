//! A plan that was consented to → an attempt, watched until it ends, and its verdict.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use nixvm_answers::Resolved;
use tokio_util::sync::CancellationToken;

use super::{ExitAction, Session};
use crate::account::Account;
use crate::command::{Runner, Transcript};
use crate::event::{Event, Outcome, PasswordOrigin, Record, State};
use crate::install::{self, TargetState};
use crate::plan::Plan;
use crate::plan::Problem;
use crate::request::Message;

impl Session {
    /// Installs, and takes requests meanwhile.
    pub(super) async fn install(
        &mut self,
        plan: Plan,
        answers: Option<Resolved>,
    ) -> Result<Option<ExitAction>> {
        let started = Instant::now();
        let id = uuid::Uuid::new_v4().to_string();
        if self.state() != State::Consent {
            self.propose(&plan, "The install begins again.");
        }
        self.enter(State::Installing, &plan.sentence());
        self.context.publisher.publish(Event::AttemptStarted { attempt: id.clone() });
        self.answer(true);
        self.prepare_account(answers.as_ref());
        self.checkpoint.begin(self.choices.disk.clone());
        let mut records = self.context.publisher.records();
        let cancel = CancellationToken::new();
        let transcript: Arc<dyn Transcript> = Arc::clone(&self.context.log) as _;
        let target = plan.target.clone();
        let finish = plan.finish;
        let attempt = install::Attempt {
            id,
            plan,
            manifest: self.context.manifest.clone(),
            publisher: self.context.publisher.clone(),
            runner: Runner::new(cancel.clone(), Some(transcript)),
            account: self.context.account.clone(),
            log: self.context.log.path().to_owned(),
            target_state: install::TargetStateCell::default(),
        };
        let mut work = tokio::spawn((self.context.install)(attempt));
        let mut unplugged = false;
        let result = loop {
            tokio::select! {
                result = &mut work => break result?,
                record = records.recv() => {
                    if let Ok(Record { event: Event::StepStarted { step }, .. }) = record {
                        self.checkpoint.step(step);
                    }
                }
                message = self.context.requests.recv() => {
                    let Some(Message { request, reply }) = message else { continue };
                    self.attended = true;
                    let _nobody_waits = reply.send(self.follow_while_installing(request, &cancel));
                }
                changed = self.context.attached.changed() => {
                    changed?;
                    let attached = self.context.attached.borrow_and_update().clone();
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
        self.choices.confirmed = None;
        match result {
            Ok(receipt) => {
                let message = format!("{} is installed.", receipt.hostname);
                self.checkpoint.clear();
                let leaving = self.schedule_finish(finish);
                self.end(
                    State::Finished,
                    &message,
                    Some(leaving),
                    Outcome::Finished,
                    None,
                    seconds,
                );
                return self.wait_for_shutdown().await;
            }
            Err(failure) if failure.is_cancel() && !unplugged => {
                let message = match failure.disk {
                    TargetState::Untouched => "The install was cancelled; nothing was written.",
                    TargetState::Unfinished => "The install was cancelled; the disk does not boot.",
                    TargetState::Installed => "The install was cancelled when it was complete.",
                };
                self.checkpoint.end(State::Cancelled, message, Outcome::Cancelled, None);
                self.end(State::Cancelled, message, None, Outcome::Cancelled, None, seconds);
            }
            Err(failure) => {
                let mut problem = failure.problem();
                if unplugged {
                    problem = Problem {
                        kind: "disk-removed".to_owned(),
                        message: format!(
                            "{} was removed while it was being installed to.",
                            target.identity.node.display()
                        ),
                        hint: "Attach it again, then retry.".to_owned(),
                        step: problem.step,
                    };
                }
                let message = problem.message.clone();
                self.checkpoint.end(
                    State::Failed,
                    &message,
                    Outcome::Failed,
                    Some(problem.clone()),
                );
                self.end(State::Failed, &message, None, Outcome::Failed, Some(problem), seconds);
            }
        }
        Ok(None)
    }

    /// Takes what the answers say of the account; what was made up for an earlier attempt is not
    /// used again.
    fn prepare_account(&self, answers: Option<&Resolved>) {
        self.context.account.send_modify(|account| {
            if account.origin == PasswordOrigin::Generated {
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
        let origin = self.context.account.borrow().origin;
        self.context.publisher.publish(Event::Password { origin });
    }
}
