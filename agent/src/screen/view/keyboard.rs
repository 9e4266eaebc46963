//! The list of keymaps → a page with the field to search it.

use ratatui::text::{Line, Span};

use super::super::keyboard::{KeymapList, PAGE};
use super::super::text;
use super::section::Page;
use super::{dialogs, pages, style};

/// Keymaps that are seen at once: two more than a page, so that paging keeps some of them in view.
const SEEN: usize = PAGE + 2;

/// Columns of the field's label, and of the field: no name is longer.
const LABEL: &str = "Search  ";
const FIELD: usize = 32;

/// Draws the list with the chosen keymap in view.
pub(super) fn page(list: &KeymapList, page: &mut Page) {
    pages::heading(text::CHOOSE_KEYMAP, page);
    let mut about = page.flow();
    match &list.problem {
        _ if list.busy => about.text(text::ONE_MOMENT, style::NOTE),
        Some(problem) => about.text(&format!("! {problem}"), style::WARNING),
        None => about.text(text::KEYMAP_AT_ONCE, style::PLAIN),
    }
    page.keep(about);

    let mut lines = page.inner();
    lines.line(Line::from(vec![
        Span::styled(LABEL, style::TITLE),
        dialogs::shown(&list.typed, FIELD, true),
    ]));
    let found = list.found();
    let seen = SEEN.min(page.height().saturating_sub(10)).max(1);
    let first = (list.cursor() + 1).saturating_sub(seen);
    for (position, name) in found.iter().enumerate().skip(first).take(seen) {
        let (mark, style) =
            if position == list.cursor() { ("► ", style::KEY) } else { ("  ", style::PLAIN) };
        lines.line(Line::from(vec![Span::styled(format!("{mark}{name} "), style)]));
    }
    if found.len() > seen {
        let at = format!("  {} of {}, more with ↑↓", list.cursor() + 1, found.len());
        lines.line(Span::styled(at, style::NOTE));
    }
    let cursor = Some((LABEL.len() + list.typed.len().min(FIELD - 1), 0));
    page.form(text::KEYBOARD, lines, cursor);
    page.keys = match list.busy {
        true => Vec::new(),
        false => vec![("↑↓", "Move"), ("Enter", "Use it"), ("Ctrl+U", "Clear"), ("Esc", "Back")],
    };
}
