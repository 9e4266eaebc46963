//! Questions as boxes under the page.

use ratatui::text::{Line, Span};

use super::super::dialog::{Dialog, Field, Name, NameForm, PasswordForm, SecretOf};
use super::super::flow::Flow;
use super::super::model::Model;
use super::super::text;
use super::section::Page;
use super::style;

/// Columns of a field.
const FIELD: usize = 40;

/// Columns of a field's label.
const LABEL: usize = 12;

/// The box for the dialog that is open, if it is one in a box.
pub(super) fn add(model: &Model, page: &mut Page) {
    match &model.dialog {
        Some(Dialog::Name(form)) => name(form, page),
        Some(Dialog::Password(form)) => password(model, form, page),
        Some(Dialog::Stop) => stop(page),
        _ => {}
    }
}

/// A label and the text that is typed.
fn field(label: &str, field: &Field, plain: bool, active: bool, lines: &mut Flow) {
    let style = if active { style::TITLE } else { style::PLAIN };
    let width = FIELD.min(lines.width().saturating_sub(LABEL)).max(1);
    lines.line(Line::from(vec![
        Span::styled(format!("{label:<LABEL$}"), style),
        shown(field, width, plain),
    ]));
}

/// The column of the cursor in a field.
fn cursor(field: &Field, lines: &Flow) -> usize {
    let width = FIELD.min(lines.width().saturating_sub(LABEL)).max(1);
    LABEL + field.len().min(width - 1)
}

/// What a name is called, and what it is.
pub(super) fn about_name(name: Name) -> (&'static str, &'static str) {
    match name {
        Name::Host => ("Host name", "The machine's name."),
        Name::User => ("User name", "The name to log in with."),
    }
}

fn name(form: &NameForm, page: &mut Page) {
    let (title, about) = about_name(form.name);
    let mut lines = page.inner();
    field(title, &form.typed, true, true, &mut lines);
    match &form.problem {
        _ if form.busy => lines.text(text::ONE_MOMENT, style::NOTE),
        Some(problem) => self::problem(problem, &mut lines),
        None => lines.text(about, style::PLAIN),
    }
    let cursor = Some((cursor(&form.typed, &lines), 0));
    page.form(title, lines, cursor);
    page.keys = vec![("Enter", "Save"), ("Ctrl+U", "Clear"), ("Esc", "Cancel")];
}

fn password(model: &Model, form: &PasswordForm, page: &mut Page) {
    let mut lines = page.inner();
    let of_disk = form.of == SecretOf::Disk;
    let name = if of_disk { "Passphrase" } else { "Password" };
    field(name, &form.first, form.shown, !form.repeats, &mut lines);
    field("Repeat", &form.second, form.shown, form.repeats, &mut lines);
    match &form.problem {
        _ if form.busy && of_disk => lines.text(text::ONE_MOMENT, style::NOTE),
        _ if form.busy => lines.text(text::HASHING, style::NOTE),
        Some(problem) => self::problem(problem, &mut lines),
        // The refusal names the keymap, and there is no plan that does.
        None if of_disk => lines.text(text::PASSPHRASE_LOST, style::PLAIN),
        None => {
            lines.text(text::PASSWORD_OR_GENERATED, style::PLAIN);
            lines.text(&text::typed_with(model.keymap()), style::NOTE);
        }
    }
    let typed = if form.repeats { &form.second } else { &form.first };
    let cursor = Some((cursor(typed, &lines), usize::from(form.repeats)));
    let plan = model.status.plan.as_ref();
    let title = match form.of {
        SecretOf::Disk => text::CHOOSE_PASSPHRASE.to_owned(),
        SecretOf::Account => text::choose_password(plan.map(|plan| &*plan.configuration.username)),
    };
    page.form(&title, lines, cursor);
    let shown = if form.shown { "Hide" } else { "Show" };
    page.keys =
        vec![("Enter", "Next"), ("Ctrl+R", shown), ("Esc", if of_disk { "Back" } else { "Skip" })];
}

fn stop(page: &mut Page) {
    let mut lines = page.inner();
    lines.text(text::STOP_MEANS, style::TITLE);
    page.form(text::STOP_QUESTION, lines, None);
    page.keys = vec![("Enter", "Keep installing"), ("Y", "Cancel the install")];
}

/// A field with its end in sight; as stars if it is secret.
pub(super) fn shown(field: &Field, width: usize, plain: bool) -> Span<'static> {
    let length = field.len();
    let skipped = (length + 1).saturating_sub(width);
    let text: String = if plain {
        field.text().chars().skip(skipped).collect()
    } else {
        "*".repeat(length - skipped)
    };
    Span::styled(format!("{text:<width$}"), style::FIELD)
}

fn problem(problem: &str, lines: &mut Flow) {
    lines.spans(2, vec![Span::styled(format!("! {problem}"), style::WARNING)]);
}
