//! A frame → whether it says with its colours off what it says with them.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Position;
use ratatui::style::Color;

use super::*;

/// A page as low as this shows parts of sections only.
const CUT: u16 = 10;

/// Fails where a colour says something that no sign or word beside it does.
pub(super) fn say_nothing_alone(frame: &Buffer, cursor: Option<Position>) {
    let area = frame.area;
    if area.height < CUT {
        return;
    }
    // What is well, what is worth a look, and what is lost: by its first line.
    for (lines, text) in painted(frame, |cell| cell.fg == Color::LightGreen) {
        assert!(text.contains('√'), "only its colour says that it is well, {lines:?}: {text}");
    }
    for (lines, text) in painted(frame, |cell| cell.fg == Color::LightYellow) {
        let marked = ["! ", "x "].iter().any(|sign| text.starts_with(sign));
        assert!(marked || text.contains("not usable"), "only its colour warns, {lines:?}: {text}");
    }
    for (lines, text) in painted(frame, |cell| cell.bg == Color::Red) {
        let said = ["ERASE", "DANGER", "x Installation failed"];
        assert!(
            said.iter().any(|words| text.contains(words)) || lost(frame, &lines),
            "only its colour says that data is lost, {lines:?}: {text}"
        );
    }
    // What is chosen; the last line has the keys.
    for (lines, text) in painted(frame, |cell| cell.bg == Color::Cyan) {
        let chosen = lines.end == area.height || text.contains('►');
        assert!(chosen, "only its colour says that it is chosen, {lines:?}: {text}");
    }
    // Where text goes: the cursor is in it.
    let fields = painted(frame, |cell| cell.bg == Color::Gray);
    if !fields.is_empty() {
        let at = cursor.expect("a field without a cursor");
        assert_eq!(frame[at].bg, Color::Gray, "the cursor is beside the field");
    }
}

/// Whether the line names what is erased.
fn lost(frame: &Buffer, lines: &std::ops::Range<u16>) -> bool {
    let row: String = (0..frame.area.width).map(|x| frame[(x, lines.start)].symbol()).collect();
    row.contains("Erases ")
}

/// Lines that follow one another and have such a cell, and the text of these cells.
fn painted(frame: &Buffer, has: impl Fn(&Cell) -> bool) -> Vec<(std::ops::Range<u16>, String)> {
    let mut found: Vec<(std::ops::Range<u16>, String)> = Vec::new();
    for y in 0..frame.area.height {
        let row = (0..frame.area.width).map(|x| &frame[(x, y)]).filter(|cell| has(cell));
        let text: String = row.map(Cell::symbol).collect();
        match found.last_mut() {
            _ if text.trim().is_empty() => {}
            Some((lines, all)) if lines.end == y => {
                lines.end += 1;
                *all += text.trim_end();
            }
            _ => found.push((y..y + 1, text.trim_start().to_owned())),
        }
    }
    found
}

#[test]
#[should_panic(expected = "only its colour warns")]
fn a_warning_without_a_sign_is_found() {
    let mut frame = Buffer::empty(Rect::new(0, 0, 20, CUT));
    frame.set_string(0, 1, "the clock is wrong", Color::LightYellow);
    say_nothing_alone(&frame, None);
}
