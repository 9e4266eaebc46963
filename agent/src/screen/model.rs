//! Statuses, keys and time → what is to be shown, and what to ask the installer for.
//!
//! Nothing here touches a terminal or waits: a test feeds it and looks at what it says.

use std::time::{Duration, Instant};

use nixvm_answers::password::Secret;

use super::dialog::{Choose, Dialog, PasswordForm, SecretOf};
use super::facts::Facts;
use super::overall::reached;
use super::pause::{Pause, TYPING, TYPING_PASSWORD};
use super::rate::Rate;
use super::text;
use crate::control::request::{Request, RequestError};
use crate::disk::Condition;
use crate::event::Status;
use crate::event::{DiskView, PasswordOrigin, State};
use crate::plan::{Configuration, NO_PASSPHRASE, Plan};

/// A half-typed password is not waited for any longer than this after its last key.
const GONE: Duration = Duration::from_secs(60);

/// A moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// To measure with.
    pub(super) now: Instant,
    /// As events give it.
    pub(super) uptime_ms: u64,
}

/// What a key or a change leads to.
#[derive(Debug)]
pub(super) enum Action {
    /// Ask the installer.
    Ask(Request),
    /// Hash this password and ask the installer to use it.
    UsePassword(Secret),
    /// Open a root shell on this terminal.
    Shell,
    /// Draw everything anew.
    Repaint,
}

/// What is shown and what keys mean.
pub(super) struct Model {
    /// What the installer does.
    pub(super) status: Status,
    /// The generated password, if there is one.
    pub(super) generated: Option<Secret>,
    /// The first login has to change it.
    pub(super) expired: bool,
    /// The last lines of the log.
    pub(super) log: Vec<String>,
    /// Where the whole log is.
    pub(super) log_path: String,
    /// What is being asked or looked at.
    pub(super) dialog: Option<Dialog>,
    /// What became of the last key.
    pub(super) notice: Option<String>,
    /// How fast the copy goes.
    pub(super) rate: Rate,
    /// The present.
    pub(super) clock: Clock,
    /// A shell can be opened here.
    pub(super) has_shell: bool,
    /// The token of the plan that stands on the screen.
    pub(super) seen_token: String,
    /// What is known of the system that is installed.
    pub(super) facts: Facts,
    /// The names of the last plan, and what was typed since: a refusal has no plan.
    pub(super) names: Option<Configuration>,
    /// How far the bar has come: it never goes back.
    reached: f64,
    /// Seconds that were left when a restart was scheduled.
    leaves_from: u64,
    step_since: Instant,
    /// Until it is over, keys are no commands.
    pause: Pause,
    /// When a key was pressed that meant nothing then.
    idle_key: Option<Instant>,
    /// The password is still to be asked for in this attempt.
    offer_password: bool,
    /// The passphrase is still to be asked for, since it is missing.
    offer_passphrase: bool,
}

impl Model {
    pub(super) fn new(clock: Clock, log_path: String, has_shell: bool, facts: Facts) -> Self {
        Self {
            status: Status::default(),
            generated: None,
            expired: false,
            log: Vec::new(),
            log_path,
            dialog: None,
            notice: None,
            rate: Rate::default(),
            clock,
            has_shell,
            seen_token: String::new(),
            facts,
            names: None,
            reached: 0.0,
            leaves_from: 0,
            step_since: clock.now,
            pause: Pause::default(),
            idle_key: None,
            offer_password: false,
            offer_passphrase: false,
        }
    }

    /// Takes a status in.
    pub(super) fn show(&mut self, status: Status) -> Option<Action> {
        let before = std::mem::replace(&mut self.status, status);
        let now = self.clock.now;
        // A countdown that is stopped leaves the same plan on the screen.
        let same_plan = self.status.state.can_confirm() && before.state.can_confirm();
        let entered = self.status.state != before.state && !same_plan;
        if entered {
            self.pause.begin(if self.is_typing_password() { TYPING_PASSWORD } else { TYPING });
            self.notice = None;
            if self.status.state == State::Installing {
                self.offer_password = true;
                self.rate.clear();
            }
        }
        if lacks_passphrase(&self.status) != lacks_passphrase(&before) {
            self.offer_passphrase = lacks_passphrase(&self.status);
        }
        // A check may follow another one.
        let same_check =
            self.status.state != State::Preflight || self.status.message == before.message;
        if entered || self.status.step != before.step || !same_check {
            self.step_since = now;
        }
        if let Some(plan) = &self.status.plan {
            self.names = Some(plan.configuration.clone());
        }
        if self.status.finish != before.finish {
            self.leaves_from = self.leaves_in().unwrap_or_default();
        }
        // Another attempt begins anew.
        let least = if self.status.step.is_none() { 0.0 } else { self.reached };
        self.reached = least.max(reached(&self.status));
        if self.status.bytes_total > 0 {
            self.rate.note(now, self.status.bytes_done);
        }
        let set = self.status.password == PasswordOrigin::Typed
            && self.status.password != before.password;
        let typing = self.is_typing_password();
        self.close_what_is_over(entered, set);
        if typing && self.dialog.is_none() {
            // The rest of it is no command.
            self.pause.begin(TYPING_PASSWORD);
        }
        self.open_what_is_due();
        let runs = |status: &Status| {
            status.countdown.is_some() || status.finish.is_some_and(|l| l.at_uptime_ms.is_some())
        };
        // Nothing may begin or end by itself while the keyboard is in use. A request that is on its
        // way is no reason: this may be its result.
        let asks = self.dialog.as_ref().is_some_and(|dialog| !dialog.is_on_its_way());
        let idle = self.idle_key.is_some_and(|at| now.duration_since(at) < TYPING);
        let busy = asks || idle;
        (busy && runs(&self.status) && !runs(&before)).then_some(Action::Ask(Request::Cancel))
    }

    /// Takes note that everything stands on the screen.
    pub(super) fn drawn(&mut self) {
        self.seen_token.clone_from(&self.status.token);
    }

    /// `entered`: the state is another one. `set`: a password was typed, here or elsewhere.
    fn close_what_is_over(&mut self, entered: bool, set: bool) {
        let Some(dialog) = &self.dialog else { return };
        let status = &self.status;
        let installing = status.state == State::Installing;
        let notice = match dialog {
            Dialog::Erase(prompt) if prompt.token != status.token => {
                (!installing).then_some("The disk has changed. Check again.")
            }
            // A name that was given is no longer asked for, whatever comes of it.
            Dialog::Name(form) if entered => {
                (!form.busy).then_some("It is too late to change the name.")
            }
            Dialog::Keymap(list) if entered => {
                (!list.busy).then_some("It is too late to change the keyboard.")
            }
            Dialog::Password(form) if form.of == SecretOf::Disk => {
                if self.lacks_passphrase() {
                    return;
                }
                let is_set = status.plan.as_ref().is_some_and(|plan| plan.passphrase.is_some());
                is_set.then_some(text::PASSPHRASE_SET)
            }
            Dialog::Password(_) if !(status.state.can_confirm() || installing) => None,
            Dialog::Password(_) if status.password == PasswordOrigin::Generated => {
                Some("A password was generated. It is shown at the end.")
            }
            // On another terminal: this one has not begun.
            Dialog::Password(form) if set && !form.is_begun() && !form.busy => {
                Some(text::PASSWORD_SET)
            }
            Dialog::Choose(_) | Dialog::Stop if entered => None,
            _ => return,
        };
        self.notice = notice.map(str::to_owned);
        self.dialog = None;
    }

    fn open_what_is_due(&mut self) {
        if self.dialog.is_some() {
            return;
        }
        match self.status.state {
            State::ChoosingDisk => self.dialog = Some(Dialog::Choose(Choose::default())),
            State::Installing if self.offer_password && self.wants_password() => {
                self.offer_password = false;
                self.dialog = Some(Dialog::Password(PasswordForm::new(SecretOf::Account)));
            }
            State::Refused if self.offer_passphrase => {
                self.offer_passphrase = false;
                self.dialog = Some(Dialog::Password(PasswordForm::new(SecretOf::Disk)));
            }
            _ => {}
        }
    }

    /// Whether nothing can begin without a passphrase.
    pub(super) fn lacks_passphrase(&self) -> bool {
        lacks_passphrase(&self.status)
    }

    /// Whether the password is still to be chosen.
    pub(super) fn wants_password(&self) -> bool {
        self.status.password == PasswordOrigin::Missing && self.answer("password-hash").is_none()
    }

    /// Value and source of an answer in the plan.
    pub(super) fn answer(&self, key: &str) -> Option<(&str, &str)> {
        let answers = &self.status.plan.as_ref()?.answers;
        let answer = answers.iter().find(|answer| answer.key == key)?;
        Some((&answer.text, &answer.source.text))
    }

    /// Takes the installer's answer to a request in.
    pub(super) fn answered(&mut self, answer: Result<(), RequestError>) {
        match &mut self.dialog {
            Some(Dialog::Name(form)) if form.busy => match answer {
                Ok(()) => self.close(),
                Err(error) => form.refuse(error.to_string()),
            },
            Some(Dialog::Keymap(list)) if list.busy => match answer {
                Ok(()) => self.close(),
                Err(error) => {
                    list.busy = false;
                    list.problem = Some(error.to_string());
                }
            },
            Some(Dialog::Password(form)) if form.busy && form.of == SecretOf::Disk => {
                match answer {
                    Ok(()) => self.close(),
                    Err(error) => form.refuse(error.to_string()),
                }
            }
            Some(Dialog::Choose(choose)) if choose.busy => {
                choose.busy = false;
                if let Err(error) = answer {
                    self.notice = Some(format!("Not done: {error}."));
                } else if self.status.state != State::ChoosingDisk {
                    self.close();
                }
            }
            _ => {
                if let Err(error) = answer {
                    self.notice = Some(format!("Not done: {error}."));
                }
            }
        }
    }

    /// Takes in what became of a password that was typed.
    pub(super) fn password_answered(&mut self, answer: Result<(), String>) {
        let Some(Dialog::Password(form)) = &mut self.dialog else {
            self.notice =
                answer.err().map(|problem| format!("The password is not used: {problem}."));
            return;
        };
        match answer {
            Ok(()) => {
                self.close();
                self.notice = Some(text::PASSWORD_SET.to_owned());
            }
            Err(problem) => form.refuse(problem),
        }
    }

    /// Ends the dialog.
    pub(super) fn close(&mut self) {
        self.dialog = None;
        self.open_what_is_due();
    }

    /// Takes note of a key; says whether it may be a command.
    pub(super) fn note_key(&mut self) -> bool {
        self.notice = None;
        self.pause.note(self.clock.now)
    }

    /// Takes note of a key that meant nothing: it may have been meant to stop what begins now.
    pub(super) fn note_idle_key(&mut self) {
        self.idle_key = self.pause.last();
    }

    /// Whether a password is half typed, and the last key was not long ago.
    pub(super) fn is_typing_password(&self) -> bool {
        let Some(Dialog::Password(form)) = &self.dialog else { return false };
        let gone = self.pause.last().is_none_or(|at| self.clock.now.duration_since(at) > GONE);
        form.busy || (form.is_begun() && !gone)
    }

    /// The disks that can be installed to.
    pub(super) fn candidates(&self) -> Vec<&DiskView> {
        self.status.disks.iter().filter(|disk| disk.ineligible.is_none()).collect()
    }

    /// Seconds that the running step has taken.
    pub(super) fn step_seconds(&self) -> u64 {
        self.clock.now.duration_since(self.step_since).as_secs()
    }

    /// Seconds until the machine is left by itself.
    pub(super) fn leaves_in(&self) -> Option<u64> {
        let at = self.status.finish?.at_uptime_ms?;
        Some(at.saturating_sub(self.clock.uptime_ms).div_ceil(1000))
    }

    /// How much of the time until then is left, from 0 to 1.
    pub(super) fn leaves_ratio(&self) -> f64 {
        self.leaves_in().unwrap_or_default() as f64 / self.leaves_from.max(1) as f64
    }

    /// How much of the whole install is done, from 0 to 1.
    pub(super) fn reached(&self) -> f64 {
        self.reached
    }

    /// The same in percent, rounded down; 100 only when nothing is left to do.
    pub(super) fn percent(&self) -> u64 {
        // Sums of hundredths may be a hair less than they should be.
        let percent = (self.reached * 100.0 + 1e-9) as u64;
        if self.status.state == State::Installed { percent } else { percent.min(99) }
    }

    /// Whether the disk has to be named before the plan is carried out.
    pub(super) fn names_disk(&self, plan: &Plan) -> bool {
        !matches!(plan.target.condition, Condition::Blank | Condition::Unfinished)
    }

    /// Whether what is shown changes by the passing of time.
    pub(super) fn is_ticking(&self) -> bool {
        matches!(self.status.state, State::Installing | State::Preflight)
            || self.leaves_in().is_some()
    }
}

fn lacks_passphrase(status: &Status) -> bool {
    let kind = status.error.as_ref().map(|problem| &*problem.kind);
    status.state == State::Refused && kind == Some(NO_PASSPHRASE)
}
