//! The model → one frame: a header, a column of sections for the state, the keys.

mod answers;
mod consent;
mod dialogs;
mod disks;
mod ended;
mod keyboard;
pub(super) mod lines;
mod log;
mod pages;
mod progress;
mod section;
mod style;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Widget};

use super::flow::{Flow, cut};
use super::glyph;
use super::model::Model;

/// What the header begins with.
const TITLE: &str = "NixOS installer";

/// A key and what it does.
type Hint = (&'static str, &'static str);

/// Columns that a key and its label take.
fn key_width((key, label): Hint) -> usize {
    key.chars().count() + label.chars().count() + 3
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
    draw_header(model, section::column(header), buffer);
    let keys = section::column(keys);
    let cursor = if log::draw(model, body, keys, buffer) {
        None
    } else {
        let page = pages::page(model, body);
        draw_keys(&page.keys, keys, buffer);
        page.draw(buffer)
    };
    glyph::fit(buffer);
    cursor
}

/// Lines of the log that are seen at once on a screen of this height.
pub(super) fn log_page(height: u16) -> usize {
    log::page(height)
}

fn draw_header(model: &Model, area: Rect, buffer: &mut Buffer) {
    let status = &model.status;
    let right = status.machine.as_ref().map_or_else(String::new, |machine| {
        format!(
            "{}  {}  {}  {} RAM",
            machine.hypervisor,
            machine.firmware,
            machine.architecture,
            crate::format::size(machine.memory_bytes),
        )
    });
    let room = usize::from(area.width).saturating_sub(right.chars().count() + 2);
    let title = if room < TITLE.len() { "" } else { TITLE };
    let build = cut(&format!(" {}", status.build_id), room - title.len().min(room));
    let build = if build.trim_matches('.').is_empty() { String::new() } else { build };
    Line::from(vec![Span::styled(title, style::HEADING), Span::styled(build, style::PLAIN)])
        .render(area, buffer);
    let start = area.right().saturating_sub(right.chars().count() as u16).max(area.x);
    buffer.set_stringn(start, area.y, right, area.width.into(), style::PLAIN);
}

fn draw_keys(keys: &[Hint], area: Rect, buffer: &mut Buffer) {
    let spans = keys.iter().flat_map(|(key, label)| {
        [
            Span::styled(format!(" {key} "), style::KEY),
            Span::styled(format!("{label} "), style::PLAIN),
        ]
    });
    Line::from_iter(spans).render(area, buffer);
}

/// A line of a gauge, `ratio` full.
fn gauge(label: &str, ratio: f64, flow: &mut Flow) {
    flow.widget(1, |area, buffer| {
        LineGauge::default()
            .label(Span::styled(label.to_owned(), style::TITLE))
            .ratio(ratio.clamp(0.0, 1.0))
            .filled_symbol("█")
            .unfilled_symbol("░")
            .filled_style(style::NOTE)
            .unfilled_style(style::NOTE)
            .render(area, buffer);
    });
}
