//! The model → what is asked in plain lines: what to know before answering, and the prompt.

use super::super::commands::Command;
use super::super::dialog::{Dialog, SecretOf};
use super::super::flow::Flow;
use super::super::model::Model;
use super::super::text::{self, dialogue};
use super::{answers, consent, dialogs, ended};
use crate::event::{DiskView, State};
use crate::plan::Plan;
use crate::sinks::text::describe;

/// Columns before a line is broken.
const WIDTH: usize = 78;

/// What is asked. It is written again when it changes, and the passing of time alone changes nothing
/// in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::screen) struct Question {
    /// What to know before answering.
    pub(in crate::screen) about: Vec<String>,
    /// What stands before the typed line: empty where lines of progress follow, `None` where nothing
    /// can be typed.
    pub(in crate::screen) prompt: Option<String>,
}

/// What is to be asked now.
pub(in crate::screen) fn question(model: &Model) -> Question {
    let mut about = Vec::new();
    let prompt = match &model.dialog {
        Some(dialog) => asked(model, dialog, &mut about),
        None => command(model, &mut about),
    };
    Question { about, prompt }
}

/// What a dialog asks, and its prompt.
fn asked(model: &Model, dialog: &Dialog, about: &mut Vec<String>) -> Option<String> {
    let mut say = |line: &str| about.push(line.to_owned());
    match dialog {
        Dialog::Choose(choose) => {
            let again = model.status.state == State::AlreadyInstalled;
            say(if again { text::CHOOSE_DISK_AGAIN } else { text::CHOOSE_DISK });
            say(text::CHOOSING_IS_SAFE);
            about.extend(disks(model));
            if model.status.state == State::ChoosingDisk {
                about.push(commands(model));
            } else {
                about.push(dialogue::ENTER_GOES_BACK.to_owned());
            }
            (!choose.busy).then(|| dialogue::DISK.to_owned())
        }
        Dialog::Erase(prompt) => {
            if let Some(plan) = &model.status.plan {
                about.extend(warning(model, plan));
                about.push(text::NO_UNDO.to_owned());
                about.push(dialogue::ENTER_GOES_BACK.to_owned());
            }
            Some(text::type_name(&prompt.disk))
        }
        Dialog::Name(form) => {
            let (name, what) = dialogs::about_name(form.name);
            say(what);
            say(dialogue::ENTER_KEEPS);
            (!form.busy).then(|| dialogue::change(name, &form.present))
        }
        Dialog::Keymap(list) => {
            say(text::CHOOSE_KEYMAP);
            say(dialogue::TYPE_KEYMAP);
            say(dialogue::ENTER_KEEPS);
            (!list.busy).then(|| dialogue::change(text::KEYBOARD, model.keymap()))
        }
        Dialog::Password(form) if form.of == SecretOf::Disk => {
            say(&format!("{}. {}", text::CHOOSE_PASSPHRASE, dialogue::NOT_SHOWN));
            say(&format!("{} {}", text::PASSPHRASE_LOST, dialogue::ENTER_LEAVES));
            let prompt = if form.repeats { dialogue::REPEAT } else { dialogue::PASSPHRASE };
            (!form.busy).then(|| prompt.to_owned())
        }
        Dialog::Password(form) => {
            let plan = model.status.plan.as_ref();
            let user = plan.map(|plan| &*plan.configuration.username);
            say(&format!("{}. {}", text::choose_password(user), dialogue::NOT_SHOWN));
            say(&format!("{} {}", text::PASSWORD_OR_GENERATED, dialogue::ENTER_SKIPS));
            let prompt = if form.repeats { dialogue::REPEAT } else { dialogue::PASSWORD };
            (!form.busy).then(|| prompt.to_owned())
        }
        Dialog::Stop => {
            say(&format!("{} {}", text::STOP_QUESTION, text::STOP_MEANS));
            Some(dialogue::YES_CANCELS.to_owned())
        }
        Dialog::Log(_) | Dialog::Help | Dialog::Shell => None,
    }
}

/// What can be done in a state, and the prompt for it.
fn command(model: &Model, about: &mut Vec<String>) -> Option<String> {
    let mut say = |line: &str| about.push(line.to_owned());
    let status = &model.status;
    match status.state {
        State::Preflight => return None,
        State::Countdown => {
            let plan = status.plan.as_ref()?;
            let disk = plan.target.identity.node.display().to_string();
            say(&text::will_be_installed(&model.facts.system(), &disk));
            if !plan.target.erases.is_empty() {
                say(&format!("{}.", answers::erase_warning(plan)));
            }
            about.extend(happens(model, plan));
            about.push(format!("{} {}", text::ANY_KEY_STOPS, text::NOTHING_WRITTEN));
            return None;
        }
        State::AwaitingConfirmation => {
            let plan = status.plan.as_ref()?;
            let disk = plan.target.identity.node.display().to_string();
            let names = model.names_disk(plan);
            if names {
                about.extend(warning(model, plan));
            } else {
                say(&text::ready(&model.facts.system(), &disk));
            }
            about.extend(happens(model, plan));
            let how = if names { dialogue::TYPE_INSTALL_AND_NAME } else { dialogue::TYPE_INSTALL };
            about.push(format!("{how} {}", text::NOTHING_WRITTEN));
        }
        State::WaitingForDisk | State::ChoosingDisk => about.extend(disks(model)),
        State::Installing => {
            about.push(commands(model));
            return Some(String::new());
        }
        State::Installed => installed(model, about),
        State::Cancelled => say(text::RETRY_STARTS_OVER),
        State::Failed | State::Refused => {}
        State::AlreadyInstalled => {
            say(match model.leaves_in() {
                Some(_) => text::ANY_KEY_STOPS,
                None => dialogue::TYPE_START,
            });
            say(dialogue::TYPE_REINSTALL);
        }
    }
    about.push(commands(model));
    Some(dialogue::PROMPT.to_owned())
}

fn installed(model: &Model, about: &mut Vec<String>) {
    let generated = ended::generated(model);
    if let Some(password) = generated {
        about.push(format!("{}.", text::GENERATED));
        about.push(password.reveal().to_owned());
        about.push(text::about_generated(model.expired));
    }
    let mut flow = Flow::new(WIDTH);
    ended::identity(model, generated.is_some(), &mut flow);
    about.push(format!("{}:", text::LOG_IN_AS));
    about.extend(lines(&flow));
    about.push(text::may_stay(model.status.machine.as_ref()).to_owned());
    about.push(
        match model.leaves_in() {
            Some(_) => text::ANY_KEY_STAYS,
            None => dialogue::TYPE_RESTART,
        }
        .to_owned(),
    );
}

/// The warning, and what is lost: a line for each, however many.
fn warning(model: &Model, plan: &Plan) -> Vec<String> {
    let most = plan.target.erases.len().max(2);
    lines(&consent::warning(model, plan, Flow::new(WIDTH), most))
}

fn happens(model: &Model, plan: &Plan) -> Vec<String> {
    let mut flow = Flow::new(WIDTH);
    answers::list(model, plan, false, &mut flow);
    lines(&flow)
}

/// The disks that can be used, then the others.
fn disks(model: &Model) -> Vec<String> {
    let (usable, others): (Vec<&DiskView>, Vec<_>) =
        model.status.disks.iter().partition(|disk| disk.ineligible.is_none());
    usable.into_iter().chain(others).map(describe).collect()
}

/// The commands that can be typed now.
pub(in crate::screen) fn words(model: &Model) -> Vec<&'static str> {
    model.commands().into_iter().map(Command::word).collect()
}

fn commands(model: &Model) -> String {
    dialogue::commands(&words(model))
}

fn lines(flow: &Flow) -> Vec<String> {
    flow.lines().iter().map(|line| line.to_string().trim_end().to_owned()).collect()
}
