//! Pages for what has come to an end: installed, failed, refused, cancelled, installed before.

use nixvm_answers::answers::Finish;
use nixvm_answers::password::Secret;
use ratatui::text::{Line, Span};

use super::super::flow::Flow;
use super::super::model::Model;
use super::{Page, answers, disks, progress, style};
use crate::event::PasswordOrigin;

/// The system is installed.
pub(super) fn finished(model: &Model, page: &mut Page) {
    page.top.text(&format!("√ {}", model.status.message), style::GOOD);
    page.top.gap();
    if let Some(plan) = &model.status.plan {
        answers::row(&mut page.top, "Disk", &plan.target.summary, "");
        answers::row(&mut page.top, "Host name", &plan.configuration.hostname, "");
        answers::row(&mut page.top, "Log in as", &plan.configuration.username, "");
    }
    if let Some((keys, source)) = model.answer("ssh-authorized-keys") {
        let source = format!(" ({})", answers::from(source));
        answers::row(&mut page.top, "SSH keys", keys, &source);
    }
    let generated =
        model.generated.as_ref().filter(|_| model.status.password == PasswordOrigin::Generated);
    match (generated, model.status.password) {
        (Some(password), _) => {
            show_password(password, model.expired, &mut page.top);
            warnings(&model.status.warnings, &mut page.middle);
            page.bottom.line("");
            leaving(model, &mut page.bottom);
            return;
        }
        (None, PasswordOrigin::Generated) => {
            answers::row(&mut page.top, "Password", "generated", " (shown when it was installed)");
        }
        (None, PasswordOrigin::Typed) => {
            answers::row(&mut page.top, "Password", "the one you typed", "");
        }
        (None, _) => {
            let source = model.answer("password-hash").map(|(_, source)| answers::from(source));
            let source = source.map(|source| format!(" ({source})")).unwrap_or_default();
            answers::row(&mut page.top, "Password", "from your answers", &source);
        }
    }
    warnings(&model.status.warnings, &mut page.middle);
    page.bottom.line("");
    leaving(model, &mut page.bottom);
    page.middle.gap();
    progress::steps(model, &mut page.middle);
}

/// In large: a password that is on this screen and nowhere else.
fn show_password(password: &Secret, expired: bool, flow: &mut Flow) {
    let password = password.reveal();
    let width = password.chars().count() + 8;
    flow.gap();
    flow.line(Span::styled("Generated password. Write it down now:", style::WARNING));
    let edge =
        |left, right| Line::styled(format!("  {left}{}{right}", "═".repeat(width)), style::PANEL);
    let side = |text: String, style| {
        Line::from(vec![
            Span::styled("  ║", style::PANEL),
            Span::styled(text, style),
            Span::styled("║", style::PANEL),
        ])
    };
    flow.line(edge("╔", "╗"));
    flow.line(side(" ".repeat(width), style::TITLE));
    flow.line(side(format!("    {password}    "), style::TITLE));
    flow.line(side(" ".repeat(width), style::TITLE));
    flow.line(edge("╚", "╝"));
    let then = match expired {
        true => ", and must be changed at first login",
        false => "; change it after you log in",
    };
    let text = format!("Type the hyphens too. It is not shown again{then}.");
    flow.text(&text, style::PLAIN);
}

/// What follows by itself.
fn leaving(model: &Model, flow: &mut Flow) {
    let Some(leaving) = &model.status.finish else { return };
    let text = match (leaving.action, model.leaves_in()) {
        (Finish::Reboot, Some(0)) => "Restarting...".to_owned(),
        (Finish::Poweroff, Some(0)) => "Powering off...".to_owned(),
        (Finish::Reboot, Some(left)) => {
            format!("Restarting in {left} s. Press any key to stay here.")
        }
        (Finish::Poweroff, Some(left)) => {
            format!("Powering off in {left} s. Press any key to stay here.")
        }
        _ => "Press Enter to restart into the installed system.".to_owned(),
    };
    flow.text(&text, style::TITLE);
}

/// A step failed.
pub(super) fn failed(model: &Model, page: &mut Page) {
    page.top.text("Installation failed", style::WARNING);
    problem(model, page, true);
}

/// It was not begun.
pub(super) fn refused(model: &Model, page: &mut Page) {
    page.top.text("NixOS can't be installed yet", style::WARNING);
    problem(model, page, false);
}

fn problem(model: &Model, page: &mut Page, has_steps: bool) {
    let Some(problem) = &model.status.error else {
        page.middle.text(&model.status.message, style::TITLE);
        return;
    };
    page.middle.text(&problem.message, style::TITLE);
    page.bottom.line("");
    page.bottom.line(Span::styled("What to do", style::NOTE));
    page.bottom.text(&problem.hint, style::TITLE);
    if has_steps {
        page.middle.gap();
        progress::steps(model, &mut page.middle);
        page.bottom.line("");
        answers::row(&mut page.bottom, "Log file", &model.log_path, "");
    }
}

/// The install was stopped by a request.
pub(super) fn cancelled(model: &Model, page: &mut Page) {
    page.top.text(&model.status.message, style::WARNING);
    page.top.gap();
    page.top.text("Retry starts over.", style::PLAIN);
    page.top.gap();
    progress::steps(model, &mut page.top);
    disks::list(model, &mut page.middle);
}

/// A disk carries a finished install.
pub(super) fn installed_already(model: &Model, page: &mut Page) {
    page.top.text("NixOS is already installed", style::GOOD);
    page.top.gap();
    page.top.text(&model.status.message, style::PLAIN);
    page.top.gap();
    let text = match model.leaves_in() {
        Some(0) => "Restarting...".to_owned(),
        Some(left) => format!("Starting it in {left} s. Press any key to stop."),
        None => "Press Enter to start it.".to_owned(),
    };
    page.top.text(&text, style::TITLE);
    page.top.gap();
    page.top.text(
        "To reinstall, press I. Nothing is erased until you type the disk's name.",
        style::PLAIN,
    );
    disks::list(model, &mut page.middle);
}

/// Warnings: none of them stops the install.
pub(super) fn warnings(warnings: &[String], flow: &mut Flow) {
    for warning in warnings {
        flow.spans(2, vec![Span::styled(format!("! {warning}"), style::WARNING)]);
    }
}
