//! The disks, each with what is on it or why it can't be used.

use ratatui::style::Style;
use ratatui::text::Span;

use super::super::flow::{Flow, cut};
use super::super::model::Model;
use super::style;
use crate::disk::Condition;
use crate::event::{DiskView, State};

/// Columns that the things on a disk may take in a list.
const CONTENTS: usize = 200;

/// Lists the disks; the target is marked.
pub(super) fn list(model: &Model, flow: &mut Flow) {
    if model.status.disks.is_empty() {
        return;
    }
    // They are news only where they are why nothing happens.
    let reasons =
        if model.status.state == State::WaitingForDisk { style::WARNING } else { style::PLAIN };
    let target = model.status.plan.as_ref().map(|plan| &*plan.target.name);
    flow.gap();
    flow.line(Span::styled("Disks", style::NOTE));
    for disk in &model.status.disks {
        let mark = if target == Some(&*disk.name) { "► " } else { "  " };
        let style = if disk.ineligible.is_none() { style::TITLE } else { style::PLAIN };
        entry(flow, mark, disk, style, reasons);
    }
}

/// One disk: on one line if it fits, else what is on it on lines of its own.
fn entry(flow: &mut Flow, mark: &str, disk: &DiskView, style: Style, reasons: Style) {
    let note = note(disk, reasons);
    let first = Span::styled(format!("{mark}{}", disk.summary), style);
    let one_line = first.content.chars().count() + 3 + note.content.chars().count();
    if one_line <= flow.width() {
        flow.spans(4, vec![first, Span::styled(" - ", style::PLAIN), note]);
    } else {
        flow.spans(4, vec![first]);
        flow.spans(4, vec![Span::raw("    "), note]);
    }
}

/// What is on it, or why it can't be used.
fn note(disk: &DiskView, reasons: Style) -> Span<'static> {
    if let Some(reason) = &disk.ineligible {
        return Span::styled(format!("not usable: {}", reason.message), reasons);
    }
    let text = match disk.condition {
        Condition::Blank => "blank".to_owned(),
        Condition::Unfinished => "unfinished installation".to_owned(),
        Condition::Installed => "installed NixOS".to_owned(),
        Condition::Data => format!("not blank: {}", cut(&disk.contents.join("; "), CONTENTS)),
        Condition::PossiblyInstalled => "perhaps an installed system".to_owned(),
        Condition::Unreadable => "unreadable".to_owned(),
    };
    Span::styled(text, style::PLAIN)
}

/// The disks to choose from, with the chosen one in view, and those that can't be used.
pub(super) fn choose(model: &Model, cursor: usize, top: &mut Flow, rest: &mut Flow, height: usize) {
    let candidates = model.candidates();
    let cursor = cursor.min(candidates.len().saturating_sub(1));
    let width = top.width();
    let entries: Vec<_> = candidates
        .iter()
        .enumerate()
        .map(|(position, disk)| {
            let chosen = position == cursor;
            let mark = if chosen { "►" } else { " " };
            let style = if chosen { style::FIELD } else { style::TITLE };
            let mut flow = Flow::new(width);
            entry(&mut flow, &format!("{mark} {} ", position + 1), disk, style, style::PLAIN);
            flow.into_lines()
        })
        .collect();
    // Scrolled so far that the chosen one is seen.
    let mut first = 0;
    while first < cursor && entries[first..=cursor].iter().map(Vec::len).sum::<usize>() > height {
        first += 1;
    }
    let above = first > 0;
    if above {
        top.line(Span::styled("  ↑ more", style::NOTE));
    }
    let mut room = height.saturating_sub(usize::from(above));
    for (position, lines) in entries.into_iter().enumerate().skip(first) {
        if lines.len() > room && position != cursor {
            top.line(Span::styled("  ↓ more", style::NOTE));
            break;
        }
        room = room.saturating_sub(lines.len());
        for line in lines {
            top.line(line);
        }
    }
    let others: Vec<_> = model.status.disks.iter().filter(|d| d.ineligible.is_some()).collect();
    if !others.is_empty() {
        rest.gap();
        for disk in others {
            entry(rest, "    ", disk, style::PLAIN, style::PLAIN);
        }
    }
}
