//! The plan: its sentence, with what is lost in the loud colour, and its answers with their sources.

use nixvm_answers::{Source, keys};
use ratatui::text::{Line, Span};

use super::super::flow::{Flow, cut};
use super::super::model::Model;
use super::style;
use crate::event::PasswordOrigin;
use crate::format;
use crate::plan::Plan;

/// Columns that name a value.
const NAMES: usize = 12;

/// Characters of a sentence that may say what is lost; the list of disks has more.
const LOSS: usize = 240;

/// The plan in one sentence.
pub(super) fn sentence(plan: &Plan, flow: &mut Flow) {
    let [what, loss, rest] = plan.sentence_parts();
    let loss_style = if plan.target.erases.is_empty() { style::GOOD } else { style::LOSS };
    flow.spans(
        0,
        vec![
            Span::styled(what, style::PLAIN),
            Span::styled(cut(&loss, LOSS), loss_style),
            Span::styled(rest, style::PLAIN),
        ],
    );
}

/// The words of every partitioning tool, with the disk that they are about.
pub(super) fn erase_warning(plan: &Plan) -> String {
    let identity = &plan.target.identity;
    format!(
        "THIS WILL ERASE ALL DATA on {} ({})",
        identity.node.display(),
        format::size(identity.size_bytes)
    )
}

/// What will be lost, a line for each of the first `most` things.
pub(super) fn losses(plan: &Plan, flow: &mut Flow, most: usize) {
    let losses = &plan.target.erases;
    let width = flow.width().saturating_sub(4);
    let shown = if losses.len() > most { most.saturating_sub(1) } else { most };
    let mut line = |text: &str| {
        let text = format!(" {} ", cut(text, width));
        flow.line(Line::from(vec![Span::raw("  "), Span::styled(text, style::LOSS)]));
    };
    for loss in losses.iter().take(shown) {
        line(loss);
    }
    if losses.len() > shown {
        line(&format!("and {} more", losses.len() - shown));
    }
}

/// Names, the password, and whatever is not a default, each with its source.
pub(super) fn list(model: &Model, flow: &mut Flow) {
    let Some(plan) = &model.status.plan else { return };
    flow.gap();
    for answer in &plan.answers {
        let always = matches!(&*answer.key, "hostname" | "username");
        let given = answer.source.kind != "default";
        if !(always || given) || answer.key == "password-hash" {
            continue;
        }
        let source =
            if given { format!(" ({})", from(&answer.source.text)) } else { String::new() };
        row(flow, name(&answer.key), &answer.text, &source);
    }
    let (password, source) = password(model);
    row(flow, "Password", password, &source);
}

/// One value.
pub(super) fn row(flow: &mut Flow, name: &str, value: &str, source: &str) {
    flow.spans(
        NAMES,
        vec![
            Span::styled(format!("{name:<NAMES$}"), style::NOTE),
            Span::styled(value.to_owned(), style::TITLE),
            Span::styled(source.to_owned(), style::PLAIN),
        ],
    );
}

/// The account's password in words, and where it comes from.
fn password(model: &Model) -> (&'static str, String) {
    match (model.answer("password-hash"), model.status.password) {
        (Some((_, source)), _) => ("set", format!(" ({})", from(source))),
        (None, PasswordOrigin::Typed) => ("set", " (typed here)".to_owned()),
        (None, _) => ("choose one during the copy, or one is generated", String::new()),
    }
}

/// A source as part of a sentence.
pub(super) fn from(source: &str) -> String {
    if *source == Source::Request.to_string() {
        source.to_owned()
    } else {
        format!("from {source}")
    }
}

fn name(key: &str) -> &'static str {
    keys::find(key).map_or("Answer", |key| key.label)
}
