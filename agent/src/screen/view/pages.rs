//! The page for each state.

use ratatui::layout::Rect;
use ratatui::text::Span;

use super::super::commands::Command;
use super::super::dialog::{Choose, Dialog};
use super::super::model::Model;
use super::super::text;
use super::section::Page;
use super::{Hint, consent, dialogs, disks, ended, keyboard, log, progress, style};
use crate::event::State;
use crate::format;

/// Something that takes less time than this, in seconds, needs no explanation.
const SHORT: u64 = 1;

/// The page for what is going on, and the keys for what can be done.
pub(super) fn page(model: &Model, area: Rect) -> Page {
    let mut page = Page::new(area);
    page.keys = keys(model, page.width());
    match (&model.dialog, model.status.state) {
        (Some(Dialog::Help), _) => help(&mut page),
        (Some(Dialog::Keymap(list)), _) => keyboard::page(list, &mut page),
        (Some(Dialog::Choose(choose)), _) => choosing(model, choose, &mut page),
        (_, State::Preflight) => preflight(model, &mut page),
        (_, State::WaitingForDisk | State::ChoosingDisk) => waiting(model, &mut page),
        (_, State::Countdown | State::AwaitingConfirmation) => consent::page(model, &mut page),
        (_, State::Installing) => progress::page(model, &mut page),
        (_, State::Installed) => ended::installed(model, &mut page),
        (_, State::Failed) => ended::failed(model, &mut page),
        (_, State::Refused) => ended::refused(model, &mut page),
        (_, State::Cancelled) => ended::cancelled(model, &mut page),
        (_, State::AlreadyInstalled) => ended::installed_already(model, &mut page),
    }
    dialogs::add(model, &mut page);
    if let Some(notice) = &model.notice {
        let mut flow = page.flow();
        flow.spans(2, vec![Span::styled(format!("! {notice}"), style::WARNING)]);
        page.keep(flow);
    }
    // While a decision is due, it would only distract.
    if matches!(
        model.status.state,
        State::Preflight | State::Installing | State::Failed | State::Cancelled
    ) && !matches!(model.dialog, Some(Dialog::Help | Dialog::Choose(_)))
    {
        log::last_line(model, &mut page);
    }
    page
}

fn keys(model: &Model, width: usize) -> Vec<Hint> {
    if model.status.state == State::Countdown {
        return vec![("Any key", "Stop the countdown")];
    }
    let commands = model.commands();
    let fits = |hints: &[Hint]| hints.iter().copied().map(super::key_width).sum::<usize>() <= width;
    let long: Vec<Hint> = commands.iter().map(|c| (c.key().1, c.label())).collect();
    if fits(&long) {
        return long;
    }
    let mut short: Vec<Hint> = commands.iter().map(|c| (c.key().1, c.short())).collect();
    // The plan names it as well.
    if !fits(&short) {
        short.retain(|(key, _)| *key != Command::Keyboard.key().1);
    }
    short
}

/// The page's first words.
pub(super) fn heading(words: &str, page: &mut Page) {
    let mut flow = page.flow();
    flow.text(words, style::HEADING);
    page.keep(flow);
}

/// Warnings, each once: none of them stops the install.
pub(super) fn warnings(model: &Model, page: &mut Page) {
    let mut flow = page.flow();
    let of_plan = model.status.plan.iter().flat_map(|plan| &plan.warnings);
    let all: Vec<_> = of_plan.chain(&model.status.warnings).collect();
    for (position, warning) in all.iter().enumerate() {
        if !all[..position].contains(warning) {
            flow.spans(2, vec![Span::styled(format!("! {warning}"), style::WARNING)]);
        }
    }
    page.keep(flow);
}

fn preflight(model: &Model, page: &mut Page) {
    heading(text::CHECKING, page);
    let mut flow = page.flow();
    let seconds = model.step_seconds();
    if !model.status.message.is_empty() {
        flow.text(&model.status.message, style::TITLE);
    }
    let elapsed = match seconds {
        0..=SHORT => String::new(),
        _ => format!("{} so far. ", format::duration(seconds)),
    };
    flow.text(&format!("{elapsed}{}", text::NOTHING_WRITTEN), style::PLAIN);
    page.keep(flow);
}

fn choosing(model: &Model, choose: &Choose, page: &mut Page) {
    let title = if model.status.state == State::AlreadyInstalled {
        text::CHOOSE_DISK_AGAIN
    } else {
        text::CHOOSE_DISK
    };
    heading(title, page);
    let mut flow = page.flow();
    if choose.busy {
        flow.text(text::ONE_MOMENT, style::NOTE);
    } else {
        flow.text(text::CHOOSING_IS_SAFE, style::PLAIN);
    }
    page.keep(flow);
    warnings(model, page);
    // Less the heading, the text and the box around it.
    disks::choose(model, choose.cursor, page, page.height().saturating_sub(9));
    page.keys =
        if choose.busy { Vec::new() } else { vec![("↑↓", "Move"), ("Enter", "Choose")] };
    if !choose.busy && model.status.state != State::ChoosingDisk {
        page.keys.push(("Esc", "Back"));
    }
    page.keys.extend(model.commands().iter().map(|c| (c.key().1, c.label())));
}

fn waiting(model: &Model, page: &mut Page) {
    heading(text::WAITING, page);
    let mut flow = page.flow();
    flow.text(&model.status.message, style::TITLE);
    page.keep(flow);
    warnings(model, page);
    disks::list(model, page);
}

fn help(page: &mut Page) {
    for (title, paragraphs) in text::HELP.into_iter().chain([text::HELP_ON_SCREEN]) {
        let mut flow = page.inner();
        for paragraph in paragraphs {
            let indent = if paragraph.starts_with("- ") { 2 } else { 0 };
            flow.spans(indent, vec![Span::styled(*paragraph, style::PLAIN)]);
        }
        page.boxed(title, flow, 0);
    }
    page.keys = vec![("Esc", "Back")];
}
