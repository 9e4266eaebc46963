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
        Some(Dialog::Password(form)) => password(form, page, width),
        Some(Dialog::Stop) => stop(page, width),
        _ => {}
    }
}

fn erase(model: &Model, prompt: &Erase, page: &mut Page, width: usize, height: usize) {
    let mut lines = Flow::new(width);
    if let Some(plan) = &model.status.plan {
        let summary = &plan.target.summary;
        lines.text(&format!("All of this on {summary} is lost for good:"), style::PLAIN);
        // The question itself must be seen, whatever there is to be lost.
        answers::losses(plan, &mut lines, height.saturating_sub(13).max(1));
        lines.gap();
    }
    let question = format!("Type {} and press Enter to erase it: ", prompt.disk);
    let column = question.chars().count() + prompt.typed.len();
    lines.line(Line::from(vec![
        Span::styled(question, style::TITLE),
        shown(&prompt.typed, 12, true),
    ]));
    let cursor = Some((column, lines.height() - 1));
    problem(prompt.problem.as_ref(), &mut lines);
    page.panel = Some(Panel { title: "Erase the disk?".to_owned(), lines, cursor });
    page.keys = vec![("Enter", "Erase and install"), ("Esc", "Back: nothing is erased")];
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
    page.keys = vec![("Enter", "Use it"), ("Ctrl+U", "Clear"), ("Esc", "Leave it as it was")];
}

fn password(form: &PasswordForm, page: &mut Page, width: usize) {
    let mut lines = Flow::new(width);
    for (label, field, active) in [
        ("Password:       ", &form.first, !form.repeats),
        ("The same again: ", &form.second, form.repeats),
    ] {
        let style = if active { style::TITLE } else { style::PLAIN };
        lines.line(Line::from(vec![Span::styled(label, style), shown(field, FIELD, form.shown)]));
    }
    if form.busy {
        lines.text("Hashing it...", style::NOTE);
    } else if form.problem.is_some() {
        problem(form.problem.as_ref(), &mut lines);
    } else {
        lines.text(
            "Without one, a password is made up and shown at the end. Ctrl+R shows what is typed.",
            style::PLAIN,
        );
    }
    let typed = if form.repeats { &form.second } else { &form.first };
    let cursor = Some((16 + typed.len().min(FIELD - 1), usize::from(form.repeats)));
    let title = "Choose a password to log in with".to_owned();
    page.panel = Some(Panel { title, lines, cursor });
    let shown = if form.shown { "Hide it" } else { "Show it" };
    page.keys = vec![("Enter", "Next"), ("Ctrl+R", shown), ("Esc", "Not now: make one up")];
}

fn stop(page: &mut Page, width: usize) {
    let mut lines = Flow::new(width);
    lines.text(
        "What was on the disk may be gone already. Cancelled now, the disk does not boot; the \
         install can be started again.",
        style::PLAIN,
    );
    page.panel = Some(Panel { title: "Cancel the install?".to_owned(), lines, cursor: None });
    page.keys = vec![("Enter", "Cancel the install"), ("Esc", "Go on installing")];
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
