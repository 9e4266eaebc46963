//! Questions as boxes under the page.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::dialog::{Dialog, Erase, Field, Name, NameForm, PasswordForm};
use super::super::flow::Flow;
use super::super::model::Model;
use super::{Page, Panel, answers, style};

/// Columns of a field for a name.
const FIELD: usize = 40;

/// The box for the dialog that is open, if it is one in a box.
pub(super) fn add(model: &Model, page: &mut Page, height: usize) {
    let width = page.top.width().saturating_sub(4);
    match &model.dialog {
        Some(Dialog::Erase(prompt)) => erase(model, prompt, page, width, height),
        Some(Dialog::Name(form)) => name(form, page, width),
        Some(Dialog::Password(form)) => password(model, form, page, width),
        Some(Dialog::Stop) => stop(page, width),
        _ => {}
    }
}

fn erase(model: &Model, prompt: &Erase, page: &mut Page, width: usize, height: usize) {
    let mut lines = Flow::new(width);
    if let Some(plan) = &model.status.plan {
        lines.text(&answers::erase_warning(plan), style::LOSS);
        // The question itself must be seen, whatever there is to be lost.
        answers::losses(plan, &mut lines, height.saturating_sub(13).max(1));
        lines.gap();
    }
    let question =
        format!("Continue? To erase it, type its name, {}, then press Enter: ", prompt.disk);
    let column = question.chars().count() + prompt.typed.len();
    lines.line(Line::from(vec![
        Span::styled(question, style::TITLE),
        shown(&prompt.typed, 12, true),
    ]));
    let cursor = Some((column, lines.height() - 1));
    problem(prompt.problem.as_ref(), &mut lines);
    page.panel = Some(Panel { title: "Erase the disk?".to_owned(), lines, cursor });
    page.keys = vec![("Enter", "Erase and install"), ("Esc", "Back, erase nothing")];
}

fn name(form: &NameForm, page: &mut Page, width: usize) {
    let (title, question) = match form.name {
        Name::Host => ("Host name", "The machine's name: "),
        Name::User => ("User name", "The name to log in with: "),
    };
    let mut lines = Flow::new(width);
    lines.line(Line::from(vec![
        Span::styled(question, style::PLAIN),
        shown(&form.typed, FIELD, true),
    ]));
    if form.busy {
        lines.text("One moment...", style::NOTE);
    }
    problem(form.problem.as_ref(), &mut lines);
    let cursor = Some((question.len() + form.typed.len().min(FIELD - 1), 0));
    page.panel = Some(Panel { title: title.to_owned(), lines, cursor });
    page.keys = vec![("Enter", "Save"), ("Ctrl+U", "Clear"), ("Esc", "Cancel")];
}

fn password(model: &Model, form: &PasswordForm, page: &mut Page, width: usize) {
    let mut lines = Flow::new(width);
    for (label, field, active) in [
        ("Password:       ", &form.first, !form.repeats),
        ("Repeat:         ", &form.second, form.repeats),
    ] {
        let style = if active { style::TITLE } else { style::PLAIN };
        lines.line(Line::from(vec![Span::styled(label, style), shown(field, FIELD, form.shown)]));
    }
    if form.busy {
        lines.text("Hashing it...", style::NOTE);
    } else if form.problem.is_some() {
        problem(form.problem.as_ref(), &mut lines);
    } else {
        lines.text("Skip it, and one is generated and shown at the end.", style::PLAIN);
    }
    let typed = if form.repeats { &form.second } else { &form.first };
    let cursor = Some((16 + typed.len().min(FIELD - 1), usize::from(form.repeats)));
    let title = match &model.status.plan {
        Some(plan) => format!("Choose a password for {}", plan.configuration.username),
        None => "Choose a password".to_owned(),
    };
    page.panel = Some(Panel { title, lines, cursor });
    let shown = if form.shown { "Hide" } else { "Show" };
    page.keys = vec![("Enter", "Next"), ("Ctrl+R", shown), ("Esc", "Skip")];
}

fn stop(page: &mut Page, width: usize) {
    let mut lines = Flow::new(width);
    lines.text(
        "The disk may already be erased and will not boot. You can start again.",
        style::PLAIN,
    );
    page.panel = Some(Panel { title: "Cancel the install?".to_owned(), lines, cursor: None });
    page.keys = vec![("Enter", "Keep installing"), ("Y", "Cancel the install")];
}

/// A field with its end in sight; as stars if it is secret.
fn shown(field: &Field, width: usize, plain: bool) -> Span<'static> {
    let length = field.len();
    let skipped = (length + 1).saturating_sub(width);
    let text: String = if plain {
        field.text().chars().skip(skipped).collect()
    } else {
        "*".repeat(length - skipped)
    };
    Span::styled(format!("{text:<width$}"), style::FIELD)
}

fn problem(problem: Option<&String>, lines: &mut Flow) {
    if let Some(problem) = problem {
        let style: Style = style::WARNING;
        lines.text(problem, style);
    }
}
