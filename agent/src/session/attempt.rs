//! A plan that may be carried out → an attempt, watched until it ends, and its verdict.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use nixvm_answers::Resolved;
use nixvm_answers::first_boot::FirstBoot;
use tokio_util::sync::CancellationToken;

use super::state::Phase;
use super::webhook::News;
use super::{ExitAction, Session};
use crate::command::{Runner, Transcript};
use crate::control::account::Account;
use crate::control::request::Message;
use crate::event::{Event, PasswordOrigin, Record};
use crate::install::{self, Failure, Installed, TargetState};
use crate::plan::{Plan, Problem, Target};

/// What the answers say beyond the plan.
struct Extras {
    first_boot: Option<FirstBoot>,
    wants_host_key: bool,
}

impl Session {
    /// Installs, and handles requests meanwhile.
    pub(super) async fn install(
        &mut self,
        plan: Box<Plan>,
        answers: Option<Resolved>,
    ) -> Result<Option<ExitAction>> {
        let started = Instant::now();
        let id = uuid::Uuid::new_v4().to_string();
        // A retry has no countdown, but its plan is published all the same. Not as a countdown: the
        // key that asked for the retry may still repeat, and any key stops one.
        if self.phase.token() != Some(&plan.token()) {
            let (plan, token) = (plan.clone(), plan.token());
            self.transition_to(Phase::AwaitingConfirmation { plan, token, interrupted: false });
        }
        self.transition_to(Phase::Installing { plan: plan.clone() });
        self.context.publisher.publish(Event::AttemptStarted { attempt: id.clone() });
        self.inventory.warned.clear();
        self.send_replies(Some(&plan.token()));
        self.prepare_account(answers.as_ref());
        self.checkpoint.begin(&id, self.user.choices.disk.clone());
        self.checkpoint.account(&self.context.account.borrow());
        let (target, finish) = (plan.target.clone(), plan.finish);
        let (first_boot, webhook) = match answers {
            Some(answers) => (answers.first_boot, answers.webhook),
            None => (None, None),
        };
        let extras = Extras {
            first_boot: first_boot.map(|given| given.value),
            wants_host_key: webhook.is_some(),
        };
        let mut news = webhook.map(|server| News::of(server.value, &id, &plan));
        let (result, unplugged) = self.watch_attempt(id, *plan, extras).await?;
        let seconds = started.elapsed().as_secs_f64();
        self.user.choices.confirmed = None;
        match result {
            Ok(Installed { receipt, host_key }) => {
                let disk = target.identity.node.display();
                let message = format!("{} is installed on {disk}.", receipt.hostname);
                self.checkpoint.account(&self.context.account.borrow());
                self.warn_of_unseen_password();
                self.checkpoint.installed(&message, finish);
                let shutdown = self.shutdown_after_install(finish);
                self.transition_to(Phase::Installed { message, shutdown, seconds: Some(seconds) });
                if let Some(news) = &mut news {
                    news.host_key = host_key;
                }
                self.tell(news);
                // Without a survey: the disk that changed is the one that was installed.
                return self.wait_for_shutdown().await;
            }
            Err(failure) if failure.is_cancel() && !unplugged => {
                let message = match failure.disk {
                    TargetState::Untouched => "Installation cancelled. Nothing was written.",
                    TargetState::Unfinished => "Installation cancelled. The disk will not boot.",
                    TargetState::Installed => "Installation cancelled after it was complete.",
                };
                self.checkpoint.cancelled(message);
                let message = message.to_owned();
                self.transition_to(Phase::Cancelled { message, seconds: Some(seconds) });
            }
            Err(failure) => {
                let problem = failure.problem();
                let problem = if unplugged { removed(&target, problem.step) } else { problem };
                self.checkpoint.failed(problem.clone());
                let disk = Some(target.identity);
                self.transition_to(Phase::Failed { disk, problem, seconds: Some(seconds) });
            }
        }
        self.tell(news);
        Ok(None)
    }

    /// Runs an attempt to its end; cancels it when the target is unplugged, which the second value
    /// tells.
    async fn watch_attempt(
        &mut self,
        id: String,
        plan: Plan,
        extras: Extras,
    ) -> Result<(Result<Installed, Failure>, bool)> {
        let mut records = self.context.publisher.records();
        let cancel = CancellationToken::new();
        let transcript: Arc<dyn Transcript> = Arc::clone(&self.context.log) as _;
        let target = plan.target.identity.clone();
        let attempt = install::Attempt {
            id,
            plan,
            manifest: self.context.manifest.clone(),
            publisher: self.context.publisher.clone(),
            runner: Runner::new(cancel.clone(), Some(transcript)),
            account: self.context.account.clone(),
            passphrase: self.passphrase().and_then(Result::ok).cloned(),
            first_boot: extras.first_boot,
            wants_host_key: extras.wants_host_key,
            log: self.context.log.path().to_owned(),
            target_state: install::TargetStateCell::default(),
        };
        let mut account = self.context.account.subscribe();
        let mut work = tokio::spawn((self.context.install)(attempt));
        let mut unplugged = false;
        loop {
            tokio::select! {
                result = &mut work => return Ok((result?, unplugged)),
                record = records.recv() => {
                    if let Ok(Record { event: Event::StepStarted { step }, .. }) = record {
                        self.checkpoint.step(step);
                    }
                }
                Ok(()) = account.changed() => {
                    self.checkpoint.account(&account.borrow_and_update());
                }
                message = self.context.requests.recv() => {
                    let Some(Message { request, reply }) = message else { continue };
                    self.user.attended = true;
                    let _caller_gone = reply.send(self.apply_while_installing(request, &cancel));
                }
                changed = self.context.attached.changed() => {
                    changed?;
                    let attached = self.context.attached.borrow_and_update().clone();
                    if !attached.devices.iter().any(|device| target.is_device(device)) {
                        unplugged = true;
                        cancel.cancel();
                    }
                }
            }
        }
    }

    /// Warns of a generated password that was never shown.
    pub(super) fn warn_of_unseen_password(&self) {
        let generated = self.context.account.borrow().origin == PasswordOrigin::Generated;
        if generated && !self.context.shows_password {
            let message = "No screen and no serial console can show the generated password: \
                           it is lost. Set a password, or an SSH key, in the answers.";
            let message = message.to_owned();
            self.context.publisher.publish(Event::Warning { message });
        }
    }

    /// Sets the account as the answers have it. A password that was generated for an earlier attempt
    /// is not used again, unless a crash interrupted that one: the screen has shown it.
    pub(super) fn prepare_account(&self, answers: Option<&Resolved>) {
        let goes_on = self.checkpoint.is_interrupted();
        self.context.account.send_modify(|account| {
            if account.origin == PasswordOrigin::Generated && !goes_on {
                *account =
                    Account { typing: std::mem::take(&mut account.typing), ..Account::default() };
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

fn removed(target: &Target, step: Option<String>) -> Problem {
    let disk = target.identity.node.display();
    Problem {
        kind: "disk-removed".to_owned(),
        step,
        message: format!("{disk} was removed while it was being installed to."),
        hint: "Attach it again, then retry.".to_owned(),
    }
}
