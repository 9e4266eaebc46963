//! The plan: what will be done, with the answers and their sources.

use nixvm_answers::answers::Finish;
use nixvm_answers::{Source, keys};
use ratatui::style::Style;
use ratatui::text::Span;

use super::super::flow::{Flow, cut};
use super::super::model::Model;
use super::super::text;
use super::style;
use crate::event::{PasswordOrigin, State};
use crate::format;
use crate::plan::{Buildable, Plan, System};

/// Columns that name a value.
const NAMES: usize = 12;

/// Characters of a row that may say what is lost; the list of disks has more.
const LOSS: usize = 240;

/// The disk's size and name in the words of every partitioning tool.
pub(super) fn erase_warning(plan: &Plan) -> String {
    let identity = &plan.target.identity;
    text::erases_all(&identity.node.display().to_string(), &format::size(identity.size_bytes))
}

/// What will happen: disk, system, names, the password, and whatever is not a default. `keys`: with
/// the key that changes it.
pub(super) fn list(model: &Model, plan: &Plan, keys: bool, flow: &mut Flow) {
    let target = &plan.target;
    if model.names_disk(plan) {
        // The warning has said it.
    } else if target.erases.is_empty() {
        row(flow, "Disk", &format!("{}, {}", target.summary, target.condition.name()), "");
        if !target.evidence.is_empty() {
            row(flow, "Checked", &target.evidence.join("; "), "");
        }
    } else {
        row(flow, "Disk", &target.summary, "");
        styled_row(flow, "Erases", &cut(&target.erases.join("; "), LOSS), style::DANGER, "");
    }
    row(flow, "System", &system(model, plan), "");
    for answer in &plan.answers {
        let always = matches!(&*answer.key, "hostname" | "username" | "keymap");
        let given = answer.source.kind != "default";
        if !(always || given) || answer.key == "password-hash" {
            continue;
        }
        let source =
            if given { format!(" ({})", from(&answer.source.text)) } else { String::new() };
        let asks = keys && model.status.state == State::AwaitingConfirmation;
        let source =
            if asks && answer.key == "keymap" { source + "; K changes it" } else { source };
        row(flow, name(&answer.key), &answer.text, &source);
    }
    if let Some(origin) = plan.passphrase {
        row(flow, "Encryption", "with the passphrase ", &origin.to_string());
    }
    let (password, source) = password(model);
    row(flow, "Password", password, &source);
    let afterwards = match plan.finish {
        Finish::Reboot => "restarts into the installed system",
        Finish::Poweroff => "powers off",
        Finish::Wait => "waits for a key",
    };
    row(flow, "Afterwards", afterwards, "");
}

fn system(model: &Model, plan: &Plan) -> String {
    let name = model.facts.system();
    match (&plan.system, model.facts.closure_bytes) {
        (System::Copy { .. }, Some(bytes)) => {
            format!("{name}; {}, copied from this installer", format::size(bytes))
        }
        (System::Copy { .. }, None) => format!("{name}; copied from this installer"),
        (System::Build { because, buildable: Buildable { online, .. } }, _) => {
            let how = if *online { "downloaded and built" } else { "built" };
            format!("{name}; {how} from the flake because {because}")
        }
    }
}

/// One value.
pub(super) fn row(flow: &mut Flow, name: &str, value: &str, source: &str) {
    styled_row(flow, name, value, style::TITLE, source);
}

fn styled_row(flow: &mut Flow, name: &str, value: &str, style: Style, source: &str) {
    flow.spans(
        NAMES,
        vec![
            Span::styled(format!("{name:<NAMES$}"), style::NOTE),
            Span::styled(value.to_owned(), style),
            Span::styled(source.to_owned(), style::PLAIN),
        ],
    );
}

/// The account's password in words, and where it comes from.
fn password(model: &Model) -> (&'static str, String) {
    match (model.answer("password-hash"), model.status.password) {
        (Some((_, source)), _) => ("set", format!(" ({})", from(source))),
        (None, PasswordOrigin::Typed) => ("set", " (typed here)".to_owned()),
        (None, _) => (text::PASSWORD_DURING_COPY, String::new()),
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
