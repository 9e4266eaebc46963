//! The log: its last line under a page, or all of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::super::dialog::Dialog;
use super::super::flow::cut;
use super::super::model::Model;
use super::super::text;
use super::section::Page;
use super::style;

/// The log's last line: that something is done. The whole of it would draw the eye away.
pub(super) fn last_line(model: &Model, page: &mut Page) {
    let Some(line) = model.log.last() else { return };
    let mut flow = page.flow();
    let line = cut(line, flow.width().saturating_sub(text::LOG.len() + 2));
    flow.spans(
        0,
        vec![
            Span::styled(format!("{}  ", text::LOG), style::NOTE),
            Span::styled(line, style::PLAIN),
        ],
    );
    page.spare(flow);
}

/// Lines that are seen at once on a screen of this height: less header, title and keys.
pub(super) fn page(height: u16) -> usize {
    usize::from(height.saturating_sub(4)).max(1)
}

/// Draws the whole log, as wide as the screen, if it is being looked at; says whether it is.
pub(super) fn draw(model: &Model, body: Rect, keys: Rect, buffer: &mut Buffer) -> bool {
    let Some(Dialog::Log(view)) = &model.dialog else { return false };
    let body = Rect { x: body.x + 1, width: body.width.saturating_sub(2), ..body };
    let page = usize::from(body.height).saturating_sub(1).max(1);
    let end = view.lines.len().saturating_sub(view.from_end);
    let start = end.saturating_sub(page);
    let title =
        format!("{}, lines {} to {} of {}", model.log_path, start + 1, end, view.lines.len());
    let rule = format!("── {title} {}", "─".repeat(body.width.into()));
    buffer.set_stringn(body.x, body.y, rule, body.width.into(), style::NOTE);
    for (line, y) in view.lines[start..end].iter().zip(body.y + 1..body.bottom()) {
        let span = Span::styled(cut(line, body.width.into()), style::PLAIN);
        buffer.set_span(body.x, y, &span, body.width);
    }
    super::draw_keys(&[("↑↓ PgUp PgDn Home End", "Scroll"), ("Esc", "Back")], keys, buffer);
    true
}
