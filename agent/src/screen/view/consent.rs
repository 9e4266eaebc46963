//! The plan before it is carried out: the countdown, the question, and what would be erased.

use ratatui::text::{Line, Span};

use super::super::dialog::{Dialog, Erase};
use super::super::flow::{Flow, cut};
use super::super::model::Model;
use super::super::text;
use super::section::Page;
use super::{answers, dialogs, disks, pages, style};
use crate::plan::Plan;

/// Lines of the erase question beside what is lost: frame, disk, warning and field.
const QUESTION: usize = 14;

/// The plan that counts down or waits for a confirmation.
pub(super) fn page(model: &Model, page: &mut Page) {
    let Some(plan) = &model.status.plan else {
        return pages::heading(&model.status.message, page);
    };
    if let Some(Dialog::Erase(prompt)) = &model.dialog {
        return erase(model, plan, prompt, page);
    }
    if let Some(left) = model.status.countdown {
        countdown(model, plan, left, page);
    } else if model.names_disk(plan) {
        let most = page.height().saturating_sub(QUESTION).max(1);
        page.danger(warning(model, plan, page.inner(), most), None);
        say(text::PRESS_I_AND_TYPE, page);
    } else {
        let disk = plan.target.identity.node.display().to_string();
        pages::heading(&text::ready(&model.facts.system(), &disk), page);
        say(text::PRESS_I, page);
    }
    pages::warnings(model, page);
    let mut happens = page.inner();
    answers::list(model, plan, true, &mut happens);
    let least = happens.height();
    page.boxed(text::WHAT_WILL_HAPPEN, happens, if model.names_disk(plan) { 0 } else { least });
    // While it is asked, nothing but what is asked.
    if model.dialog.is_none() {
        disks::list(model, page);
    }
}

/// What has to be done, and that nothing has been written.
fn say(what: &str, page: &mut Page) {
    let mut flow = page.flow();
    safe(what, &mut flow);
    page.keep(flow);
}

fn safe(what: &str, flow: &mut Flow) {
    flow.spans(
        0,
        vec![
            Span::styled(format!("{what} "), style::TITLE),
            Span::styled(text::NOTHING_WRITTEN, style::PLAIN),
        ],
    );
}

fn countdown(model: &Model, plan: &Plan, left: u32, page: &mut Page) {
    let disk = plan.target.identity.node.display().to_string();
    pages::heading(&text::will_be_installed(&model.facts.system(), &disk), page);
    let mut flow = page.flow();
    if !plan.target.erases.is_empty() {
        flow.text(&answers::erase_warning(plan), style::DANGER);
    }
    let ratio = f64::from(left) / f64::from(plan.countdown.max(left).max(1));
    super::gauge(&format!("Starting in {left:>2} s"), ratio, &mut flow);
    safe(text::ANY_KEY_STOPS, &mut flow);
    page.keep(flow);
}

/// The warning, the disk, and what is lost with it: a line for each of the first `most` things.
pub(super) fn warning(model: &Model, plan: &Plan, mut flow: Flow, most: usize) -> Flow {
    flow.text(&format!("{}.", answers::erase_warning(plan)), style::DANGER);
    let disk = model.status.disks.iter().find(|disk| disk.name == plan.target.name);
    let serial = disk.and_then(|disk| disk.serial.as_ref());
    let model_name = disk.and_then(|disk| disk.model.clone());
    let known = model_name.into_iter().chain(serial.map(|serial| format!("serial {serial}")));
    let known = known.collect::<Vec<_>>().join(", ");
    if !known.is_empty() && most > 1 {
        flow.text(&known, style::DANGER);
    }
    let losses = &plan.target.erases;
    if losses.is_empty() {
        return flow;
    }
    if most > 1 {
        flow.line("");
    }
    let width = flow.width().saturating_sub(2);
    if most == 1 && losses.len() > 1 {
        let more = format!(", and {} more", losses.len() - 1);
        let first = cut(&losses[0], width.saturating_sub(more.len()));
        flow.line(Span::styled(format!("  {first}{more}"), style::DANGER));
        return flow;
    }
    let shown = if losses.len() > most { most - 1 } else { most };
    for loss in losses.iter().take(shown) {
        flow.line(Span::styled(format!("  {}", cut(loss, width)), style::DANGER));
    }
    if losses.len() > shown {
        let more = format!("  and {} more", losses.len() - shown);
        flow.line(Span::styled(more, style::DANGER));
    }
    flow
}

fn erase(model: &Model, plan: &Plan, prompt: &Erase, page: &mut Page) {
    if page.is_framed() {
        pages::heading(&text::confirm(&format!("/dev/{}", plan.target.name)), page);
    }
    // The question itself must be seen, whatever there is to be lost.
    let most = page.height().saturating_sub(QUESTION).max(1);
    let mut flow = warning(model, plan, page.inner(), most);
    if page.is_framed() {
        flow.line("");
        flow.text(text::NO_UNDO, style::DANGER);
        flow.line("");
    }
    let mut question = Flow::new(flow.width().saturating_sub(1));
    question.text(&text::type_name(&prompt.disk), style::DANGER);
    // The field follows the question's last word, or stands below it.
    let end = question.lines().last().map_or(0, Line::width) + 1;
    let field = dialogs::shown(&prompt.typed, 12, true);
    let cursor = if end + 12 <= flow.width() {
        let mut lines = question.lines().to_vec();
        if let Some(last) = lines.last_mut() {
            last.push_span(Span::styled(" ", style::DANGER));
            last.push_span(field);
        }
        lines.into_iter().for_each(|line| flow.line(line));
        end
    } else {
        flow.append(question);
        flow.line(field);
        0
    } + prompt.typed.len().min(11);
    let row = flow.height() - 1;
    if let Some(problem) = &prompt.problem {
        flow.text(problem, style::DANGER);
    }
    page.danger(flow, Some((cursor, row)));
    let mut then = page.flow();
    let configuration = &plan.configuration;
    then.text(
        &text::then_installed(
            &model.facts.system(),
            &configuration.hostname,
            &configuration.username,
        ),
        style::PLAIN,
    );
    then.text(text::NOTHING_WRITTEN, style::PLAIN);
    page.spare(then);
    page.keys = vec![("Esc", "Back, erase nothing"), ("Enter", "Erase and install")];
}
