//! The model → one frame: a header, a page for the state, the end of the log, the keys.

mod answers;
mod dialogs;
mod disks;
mod ended;
mod log;
mod pages;
mod progress;
mod style;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::flow::{Flow, cut};
use super::glyph;
use super::model::Model;

/// Text is not set wider than this: the eye would lose the line.
const WIDEST: u16 = 110;

/// A key and what it does.
type Hint = (&'static str, &'static str);

/// The content of a frame between the header and the keys.
struct Page {
    /// Always seen.
    top: Flow,
    /// Cut short where there is no room.
    middle: Flow,
    /// Always seen.
    bottom: Flow,
    /// What is being asked.
    panel: Option<Panel>,
    /// Keys and what they do.
    keys: Vec<Hint>,
}

/// A box with a question.
struct Panel {
    title: String,
    lines: Flow,
    /// Where the next character goes: column and line inside of the box.
    cursor: Option<(usize, usize)>,
}

impl Page {
    fn new(width: usize) -> Self {
        Self {
            top: Flow::new(width),
            middle: Flow::new(width),
            bottom: Flow::new(width),
            panel: None,
            keys: Vec::new(),
        }
    }
}

/// Columns that a key and its label take.
fn key_width((key, label): (&str, &str)) -> usize {
    key.chars().count() + label.chars().count() + 4
}

/// Draws the model; returns where the cursor is, if something is typed.
pub(super) fn draw(model: &Model, buffer: &mut Buffer) -> Option<Position> {
    let [header, _, body, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(buffer.area);
    draw_header(model, header, buffer);
    let body = Rect { x: body.x + 1, width: body.width.saturating_sub(2), ..body };
    let cursor = if let Some(cursor) = log::draw(model, body, keys, buffer) {
        cursor
    } else {
        let page = pages::page(model, body.width.min(WIDEST).into(), body.height.into());
        draw_keys(&page.keys, keys, buffer);
        draw_page(model, page, body, buffer)
    };
    glyph::fit(buffer);
    cursor
}

/// Lines of the log that are seen at once on a screen of this height.
pub(super) fn log_page(height: u16) -> usize {
    log::page(height)
}

fn draw_header(model: &Model, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, style::HEADER);
    let status = &model.status;
    let right = status.machine.as_ref().map_or_else(String::new, |machine| {
        format!(
            "{}, {}, {}, {} memory",
            machine.hypervisor,
            machine.firmware,
            machine.architecture,
            crate::format::size(machine.memory_bytes),
        )
    });
    let room = usize::from(area.width).saturating_sub(right.chars().count() + 3);
    let left = cut(&format!("NixOS installer {}", status.build_id), room);
    buffer.set_string(area.x + 1, area.y, left, style::HEADER);
    let start = area.right().saturating_sub(right.chars().count() as u16 + 1).max(area.x);
    buffer.set_stringn(start, area.y, right, area.width.into(), style::HEADER);
}

fn draw_keys(keys: &[Hint], area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, style::KEYS);
    let mut spans = vec![Span::raw(" ")];
    for (key, label) in keys {
        spans.push(Span::styled(format!(" {key} "), style::KEY));
        spans.push(Span::raw(" "));
        spans.push(Span::raw(format!("{label} ")));
    }
    Line::from(spans).style(style::KEYS).render(area, buffer);
}

fn draw_page(model: &Model, page: Page, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let notice = model.notice.as_ref().map(|notice| {
        let mut flow = Flow::new(area.width.into());
        flow.line("");
        flow.text(notice, style::WARNING);
        flow.into_lines()
    });
    let notice = notice.unwrap_or_default();
    let (top, mut middle, bottom) =
        (page.top.into_lines(), page.middle.into_lines(), page.bottom.into_lines());
    if !middle.is_empty() {
        middle.insert(0, Line::default());
    }
    let panel_height = page.panel.as_ref().map_or(0, |panel| panel.lines.height() + 2);
    let height = usize::from(area.height);
    let fixed = top.len() + bottom.len() + panel_height + notice.len();
    let room = height.saturating_sub(fixed);
    if middle.len() > room {
        middle.truncate(room.saturating_sub(1));
        middle.push(Line::styled("... (more than fits here)", style::NOTE));
    }
    let mut lines = top;
    lines.extend(middle);
    lines.extend(bottom);

    // The question and the notice come right after what they are about, the log is at the bottom.
    lines.truncate(height.saturating_sub(panel_height + notice.len()));
    let mut y = put(&lines, area.y, area, buffer);
    let mut cursor = None;
    if let Some(panel) = page.panel {
        if usize::from(y - area.y) + panel_height + notice.len() < height {
            y += 1;
        }
        let outer = Rect {
            y,
            height: (panel_height as u16).min(area.bottom().saturating_sub(y)),
            width: area.width.min(WIDEST),
            ..area
        };
        y += outer.height;
        cursor = draw_panel(panel, outer, buffer);
    }
    y = put(&notice, y, area, buffer);
    log::draw_tail(model, Rect { y, height: area.bottom().saturating_sub(y), ..area }, buffer);
    cursor
}

/// Draws lines from `y` on, as far as there is room; returns the line after them.
fn put(lines: &[Line<'_>], y: u16, area: Rect, buffer: &mut Buffer) -> u16 {
    let room = area.bottom().saturating_sub(y);
    for (line, y) in lines.iter().zip(y..area.bottom()) {
        buffer.set_line(area.x, y, line, area.width);
    }
    y + room.min(lines.len() as u16)
}

fn draw_panel(panel: Panel, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let block = Block::bordered()
        .border_style(style::PANEL)
        .title(Span::styled(format!(" {} ", panel.title), style::TITLE));
    let inner = block.inner(area);
    block.render(area, buffer);
    for (line, y) in panel.lines.into_lines().iter().zip(inner.top()..inner.bottom()) {
        buffer.set_line(inner.x + 1, y, line, inner.width.saturating_sub(2));
    }
    let (column, row) = panel.cursor?;
    let x = (inner.x + 1 + column as u16).min(inner.right().saturating_sub(1));
    let y = inner.y + row as u16;
    (y < inner.bottom()).then_some(Position { x, y })
}
