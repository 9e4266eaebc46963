//! The log: its last lines under a page, or all of it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;

use super::super::dialog::Dialog;
use super::super::flow::cut;
use super::super::model::Model;
use super::style;
use crate::event::State;

/// Fewer lines than this tell nothing.
const LEAST: u16 = 3;

/// More lines than this would draw the eye away from what they are about.
const MOST: usize = 12;

/// The end of the log in what is left of the screen, while something is done. Where a
/// decision is due, it would only distract.
pub(super) fn draw_tail(model: &Model, area: Rect, buffer: &mut Buffer) {
    let is_of_interest = matches!(
        model.status.state,
        State::Preflight | State::Installing | State::Failed | State::Cancelled
    );
    if !is_of_interest || area.height < LEAST || model.log.is_empty() {
        return;
    }
    let room = (usize::from(area.height) - 2).min(MOST);
    let lines = &model.log[model.log.len().saturating_sub(room)..];
    let first = area.bottom() - lines.len() as u16;
    rule("Log", Rect { y: first - 1, ..area }, buffer);
    for (line, y) in lines.iter().zip(first..) {
        buffer.set_stringn(
            area.x,
            y,
            cut(line, area.width.into()),
            area.width.into(),
            style::PLAIN,
        );
    }
}

fn rule(title: &str, area: Rect, buffer: &mut Buffer) {
    let line = format!("── {title} {}", "─".repeat(area.width.into()));
    buffer.set_stringn(area.x, area.y, line, area.width.into(), style::NOTE);
}

/// Lines that are seen at once on a screen of this height: less header, title and keys.
pub(super) fn page(height: u16) -> usize {
    usize::from(height.saturating_sub(4)).max(1)
}

/// The whole log, if it is being looked at.
pub(super) fn draw(
    model: &Model,
    body: Rect,
    keys: Rect,
    buffer: &mut Buffer,
) -> Option<Option<Position>> {
    let Some(Dialog::Log(view)) = &model.dialog else { return None };
    let page = usize::from(body.height).saturating_sub(1).max(1);
    let end = view.lines.len().saturating_sub(view.from_end);
    let start = end.saturating_sub(page);
    let title =
        format!("{}, lines {} to {} of {}", model.log_path, start + 1, end, view.lines.len());
    rule(&title, Rect { height: 1, ..body }, buffer);
    for (line, y) in view.lines[start..end].iter().zip(body.y + 1..body.bottom()) {
        let span = Span::styled(cut(line, body.width.into()), style::PLAIN);
        buffer.set_span(body.x, y, &span, body.width);
    }
    super::draw_keys(&[("↑↓ PgUp PgDn Home End", "Scroll"), ("Esc", "Back")], keys, buffer);
    Some(None)
}
