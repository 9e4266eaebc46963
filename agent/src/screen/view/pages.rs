//! The page for each state.

use ratatui::text::Span;

use super::super::dialog::{Choose, Dialog};
use super::super::model::Model;
use super::{Hint, Page, answers, dialogs, disks, ended, progress, style};
use crate::event::State;

/// The page for what is going on, and the keys for what can be done.
pub(super) fn page(model: &Model, width: usize, height: usize) -> Page {
    let mut page = Page::new(width);
    if let Some(Dialog::Choose(choose)) = &model.dialog {
        choosing(model, choose, &mut page, height);
        return page;
    }
    match model.status.state {
        State::Preflight => {
            page.top.text("Checking this machine", style::TITLE);
            page.top.gap();
            page.top.text("Nothing has been written yet.", style::PLAIN);
        }
        State::WaitingForDisk | State::ChoosingDisk => waiting(model, &mut page),
        State::Countdown | State::AwaitingConfirmation => consent(model, &mut page),
        State::Installing => installing(model, &mut page),
        State::Installed => ended::finished(model, &mut page),
        State::Failed => ended::failed(model, &mut page),
        State::Refused => ended::refused(model, &mut page),
        State::Cancelled => ended::cancelled(model, &mut page),
        State::AlreadyInstalled => ended::installed_already(model, &mut page),
    }
    page.keys = keys(model, width);
    dialogs::add(model, &mut page, height);
    page
}

fn keys(model: &Model, width: usize) -> Vec<Hint> {
    if model.status.state == State::Countdown {
        return vec![("any key", "Stop the countdown")];
    }
    commands(model, width)
}

/// What can be done now, in as many words as there is room for.
fn commands(model: &Model, width: usize) -> Vec<Hint> {
    let commands = model.commands();
    let long: Vec<Hint> = commands.iter().map(|c| (c.key().1, c.label())).collect();
    if long.iter().copied().map(super::key_width).sum::<usize>() <= width {
        return long;
    }
    commands.iter().map(|c| (c.key().1, c.short())).collect()
}

fn choosing(model: &Model, choose: &Choose, page: &mut Page, height: usize) {
    let title = if model.status.state == State::AlreadyInstalled {
        "Reinstall on which disk?"
    } else {
        "Which disk should NixOS be installed on?"
    };
    page.top.text(title, style::TITLE);
    page.top.gap();
    if choose.busy {
        page.top.text("One moment...", style::NOTE);
    } else {
        page.top.text(
            "Choosing writes nothing. A disk with data is erased only after you confirm.",
            style::PLAIN,
        );
    }
    page.top.gap();
    let room = height.saturating_sub(page.top.height() + 2);
    disks::choose(model, choose.cursor, &mut page.top, &mut page.middle, room);
    if !choose.busy {
        page.keys = vec![("↑↓", "Move"), ("Enter", "Choose")];
        if model.status.state != State::ChoosingDisk {
            page.keys.push(("Esc", "Back"));
        }
    }
    let used: usize = page.keys.iter().copied().map(super::key_width).sum();
    page.keys.extend(commands(model, page.top.width().saturating_sub(used)));
}

fn waiting(model: &Model, page: &mut Page) {
    page.top.text("Waiting for a disk", style::TITLE);
    page.top.gap();
    page.top.text(&model.status.message, style::PLAIN);
    disks::list(model, &mut page.middle);
}

fn consent(model: &Model, page: &mut Page) {
    let Some(plan) = &model.status.plan else {
        page.top.text(&model.status.message, style::TITLE);
        return;
    };
    let erases = !plan.target.erases.is_empty();
    let (title, title_style) = match model.status.countdown {
        Some(left) => (format!("Starting in {left} s. Press any key to stop."), style::TITLE),
        None if matches!(model.dialog, Some(Dialog::Erase(_))) => {
            (format!("Confirm: erase /dev/{}", plan.target.name), style::TITLE)
        }
        None if erases => (answers::erase_warning(plan), style::LOSS),
        None => ("Ready. Nothing has been written yet.".to_owned(), style::TITLE),
    };
    page.top.text(&title, title_style);
    page.top.gap();
    answers::sentence(plan, &mut page.top);
    ended::warnings(&plan.warnings, &mut page.top);
    answers::list(model, &mut page.middle);
    // While it is asked, nothing but what is asked.
    if model.dialog.is_some() {
        return;
    }
    disks::list(model, &mut page.middle);
    if model.status.countdown.is_none() {
        page.bottom.line("");
        let text = if erases {
            "Press I to continue; you confirm by typing the disk's name."
        } else {
            "Press I to install."
        };
        page.bottom.line(Span::styled(text, style::TITLE));
    }
}

fn installing(model: &Model, page: &mut Page) {
    page.top.text("Installing", style::TITLE);
    if let Some(plan) = &model.status.plan {
        page.top.text(
            &format!(
                "{}; host name {}, user {}",
                plan.target.summary, plan.configuration.hostname, plan.configuration.username
            ),
            style::PLAIN,
        );
    }
    page.top.gap();
    progress::steps(model, &mut page.top);
    progress::bar(model, &mut page.top);
    ended::warnings(&model.status.warnings, &mut page.middle);
}
