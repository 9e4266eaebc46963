//! Pages for what has come to an end: installed, failed, refused, cancelled, installed before.

use nixvm_answers::answers::Finish;
use nixvm_answers::password::Secret;
use ratatui::text::Span;

use super::super::flow::Flow;
use super::super::model::Model;
use super::super::text;
use super::section::Page;
use super::{answers, disks, pages, progress, style};
use crate::event::{Delivery, PasswordOrigin, Step};
use crate::plan::Problem;

/// Lines of a page that has room for the steps of an install that succeeded.
const ROOMY: usize = 36;

/// The system is installed.
pub(super) fn installed(model: &Model, page: &mut Page) {
    let mut flow = page.flow();
    let title = Span::styled(format!("√ {}", model.status.message), style::GOOD);
    progress::took(model, &mut flow, title);
    page.keep(flow);
    let generated = generated(model);
    // It is on this screen and nowhere else: before everything that can be read later too.
    if let Some(password) = generated {
        show_password(password, model.expired, page);
    }
    leaving(model, page);
    log_in(model, generated.is_some(), page);
    pages::warnings(model, page);
    after_restart(model, page);
    // News no longer: only where there is room for everything.
    if page.height() >= ROOMY {
        progress::steps(model, page);
    }
}

/// The password that was generated, if it is in use.
pub(super) fn generated(model: &Model) -> Option<&Secret> {
    model.generated.as_ref().filter(|_| model.status.password == PasswordOrigin::Generated)
}

fn log_in(model: &Model, shown: bool, page: &mut Page) {
    let mut flow = page.inner();
    identity(model, shown, &mut flow);
    let least = flow.height();
    page.boxed(text::LOG_IN_AS, flow, least);
}

/// What to log in with; `shown`: the generated password stands above.
pub(super) fn identity(model: &Model, shown: bool, flow: &mut Flow) {
    if let Some(plan) = &model.status.plan {
        answers::row(flow, "User", &plan.configuration.username, "");
    }
    match model.status.password {
        PasswordOrigin::Generated if shown => {}
        PasswordOrigin::Generated => {
            answers::row(flow, "Password", "generated", " (shown when it was installed)");
        }
        PasswordOrigin::Typed => answers::row(flow, "Password", "the one you typed", ""),
        PasswordOrigin::Answers | PasswordOrigin::Missing => {
            let source = model.answer("password-hash").map(|(_, source)| answers::from(source));
            let source = source.map(|source| format!(" ({source})")).unwrap_or_default();
            answers::row(flow, "Password", "the one in your answers", &source);
        }
    }
    if let Some(plan) = &model.status.plan {
        answers::row(flow, "Host name", &plan.configuration.hostname, "");
    }
    if let Some((keys, source)) = model.answer("ssh-authorized-keys") {
        let source = format!(" ({})", answers::from(source));
        answers::row(flow, "SSH keys", keys, &source);
    }
}

fn after_restart(model: &Model, page: &mut Page) {
    let mut flow = page.inner();
    let login = if model.facts.graphical_login { text::GRAPHICAL_LOGIN } else { text::TEXT_LOGIN };
    flow.text(login, style::PLAIN);
    flow.text(text::may_stay(model.status.machine.as_ref()), style::PLAIN);
    page.boxed(text::AFTER_RESTART, flow, 0);
}

/// In large: a password that is on this screen and nowhere else.
fn show_password(password: &Secret, expired: bool, page: &mut Page) {
    let mut flow = page.inner();
    let airy = page.is_framed();
    if airy {
        flow.line("");
    }
    flow.text(&format!("    {}", password.reveal()), style::TITLE);
    if airy {
        flow.line("");
    }
    flow.text(&text::about_generated(expired), style::PLAIN);
    page.form(text::GENERATED, flow, None);
}

/// What follows by itself.
fn leaving(model: &Model, page: &mut Page) {
    let Some(leaving) = &model.status.finish else { return };
    let mut flow = page.flow();
    // That is waited for.
    let telling = model.status.webhook.as_ref();
    let telling = telling.filter(|webhook| webhook.delivery == Delivery::Sending);
    if let Some(webhook) = telling {
        flow.text(&text::telling(&webhook.url), style::PLAIN);
    }
    let verb = if leaving.action == Finish::Poweroff { "Powering off" } else { "Restarting" };
    match (leaving.action, model.leaves_in()) {
        (Finish::Reboot | Finish::Poweroff, Some(0)) if telling.is_some() => {
            flow.text(text::ANY_KEY_STAYS, style::PLAIN);
        }
        (Finish::Reboot, Some(0)) => flow.text(text::RESTARTING, style::TITLE),
        (Finish::Poweroff, Some(0)) => flow.text(text::POWERING_OFF, style::TITLE),
        (Finish::Reboot | Finish::Poweroff, Some(left)) => {
            super::gauge(&format!("{verb} in {left:>2} s"), model.leaves_ratio(), &mut flow);
            flow.text(text::ANY_KEY_STAYS, style::PLAIN);
        }
        _ => flow.text(text::PRESS_ENTER_TO_RESTART, style::TITLE),
    }
    page.keep(flow);
}

/// A step failed.
pub(super) fn failed(model: &Model, page: &mut Page) {
    let error = model.status.error.as_ref();
    let step = error.and_then(failed_step);
    let title = match step {
        Some(step) => format!("{}: {}", text::FAILED, progress::title(model, step)),
        None => text::FAILED.to_owned(),
    };
    let mut flow = page.flow();
    flow.line(Span::styled(format!(" x {title} "), style::DANGER));
    page.keep(flow);
    let Some(problem) = error else {
        return say(&model.status.message, page);
    };
    what_to_do(problem, page);
    // The step is in the title already.
    let prefix = step.map_or_else(String::new, |step| format!("{} failed: ", step.title()));
    let detail = problem.message.strip_prefix(&*prefix).unwrap_or(&problem.message);
    let mut flow = page.inner();
    flow.text(detail, style::PLAIN);
    page.boxed(text::DETAILS, flow, 3);
    progress::steps(model, page);
}

fn failed_step(problem: &Problem) -> Option<Step> {
    let name = problem.step.as_deref()?;
    Step::ALL.into_iter().find(|step| step.name() == name)
}

/// It was not begun.
pub(super) fn refused(model: &Model, page: &mut Page) {
    let mut flow = page.flow();
    flow.text(&format!("! {}", text::REFUSED), style::WARNING);
    page.keep(flow);
    let Some(problem) = &model.status.error else {
        return say(&model.status.message, page);
    };
    let mut flow = page.flow();
    flow.text(&problem.message, style::TITLE);
    page.keep(flow);
    what_to_do(problem, page);
}

fn what_to_do(problem: &Problem, page: &mut Page) {
    let mut flow = page.inner();
    flow.text(&problem.hint, style::TITLE);
    let least = flow.height();
    page.boxed(text::WHAT_TO_DO, flow, least);
}

fn say(message: &str, page: &mut Page) {
    let mut flow = page.flow();
    flow.text(message, style::TITLE);
    page.keep(flow);
}

/// The install was stopped by a request.
pub(super) fn cancelled(model: &Model, page: &mut Page) {
    let mut flow = page.flow();
    flow.text(&format!("! {}", model.status.message), style::WARNING);
    flow.text(text::RETRY_STARTS_OVER, style::PLAIN);
    page.keep(flow);
    progress::steps(model, page);
    disks::list(model, page);
}

/// A disk carries a finished install.
pub(super) fn installed_already(model: &Model, page: &mut Page) {
    let mut flow = page.flow();
    flow.text(&format!("√ {}", model.status.message), style::GOOD);
    page.keep(flow);
    let mut flow = page.flow();
    match model.leaves_in() {
        Some(0) => flow.text(text::RESTARTING, style::TITLE),
        Some(left) => {
            let label = format!("Starting it in {left:>2} s");
            super::gauge(&label, model.leaves_ratio(), &mut flow);
            flow.text(text::ANY_KEY_STOPS, style::PLAIN);
        }
        None => flow.text(text::PRESS_ENTER_TO_START, style::TITLE),
    }
    flow.text(text::TO_REINSTALL, style::PLAIN);
    page.keep(flow);
    disks::list(model, page);
}
