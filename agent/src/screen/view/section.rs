//! Sections of a page → one column, cut to the screen's height.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::super::flow::Flow;
use super::super::text;
use super::style;

/// The widest column: the eye would lose a longer line.
const WIDEST: u16 = 110;

/// Below this width or height frames take more than they give.
const FRAMED: (u16, u16) = (60, 18);

/// Lines that a page usually takes; what is above them depends on the screen only, so that nothing
/// jumps as a page grows.
const USUAL: u16 = 22;

/// So few lines of a section say nothing: the title of a table, and that there is more.
const STUB: usize = 2;

/// What is around a section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    None,
    Plain,
    /// Double, on red.
    Danger,
}

/// A part of a page.
pub(super) struct Section {
    frame: Frame,
    title: String,
    body: Flow,
    /// Lines that are always seen.
    least: usize,
    /// Where the next character goes: column and line of the body.
    cursor: Option<(usize, usize)>,
}

impl Section {
    fn height(&self, framed: bool) -> usize {
        let title = usize::from(!self.title.is_empty());
        match self.frame {
            Frame::None => self.body.height(),
            _ if framed => self.body.height() + 2,
            _ => self.body.height() + title,
        }
    }
}

/// What is between the header and the keys.
pub(super) struct Page {
    column: Rect,
    framed: bool,
    sections: Vec<Section>,
    /// Keys and what they do.
    pub(super) keys: Vec<super::Hint>,
}

/// The column in an area.
pub(super) fn column(area: Rect) -> Rect {
    let width = area.width.saturating_sub(2).min(WIDEST);
    Rect { x: area.x + (area.width - width) / 2, width, ..area }
}

impl Page {
    /// Nothing yet, for an area.
    pub(super) fn new(area: Rect) -> Self {
        let column = column(area);
        let framed = column.width >= FRAMED.0 && area.height >= FRAMED.1;
        Self { column, framed, sections: Vec::new(), keys: Vec::new() }
    }

    /// Whether there is room for frames and for more than what matters most.
    pub(super) fn is_framed(&self) -> bool {
        self.framed
    }

    /// Columns for the keys.
    pub(super) fn width(&self) -> usize {
        self.column.width.into()
    }

    /// Lines for all sections.
    pub(super) fn height(&self) -> usize {
        self.column.height.into()
    }

    /// Text without a frame.
    pub(super) fn flow(&self) -> Flow {
        Flow::new(self.width().saturating_sub(2))
    }

    /// Text for a frame.
    pub(super) fn inner(&self) -> Flow {
        Flow::new(self.width().saturating_sub(if self.framed { 4 } else { 2 }))
    }

    /// Adds a section without a frame that is always seen.
    pub(super) fn keep(&mut self, body: Flow) {
        let least = body.height();
        self.add(Section { frame: Frame::None, title: String::new(), body, least, cursor: None });
    }

    /// Adds a section without a frame that is left out where there is no room.
    pub(super) fn spare(&mut self, body: Flow) {
        self.add(Section {
            frame: Frame::None,
            title: String::new(),
            body,
            least: 0,
            cursor: None,
        });
    }

    /// Adds a framed section of which at least `least` lines are seen.
    pub(super) fn boxed(&mut self, title: &str, body: Flow, least: usize) {
        self.add(Section {
            frame: Frame::Plain,
            title: title.to_owned(),
            body,
            least,
            cursor: None,
        });
    }

    /// Adds a framed section that is always seen, with a cursor.
    pub(super) fn form(&mut self, title: &str, body: Flow, cursor: Option<(usize, usize)>) {
        let least = body.height();
        self.add(Section { frame: Frame::Plain, title: title.to_owned(), body, least, cursor });
    }

    /// Adds a section on red that is always seen.
    pub(super) fn danger(&mut self, body: Flow, cursor: Option<(usize, usize)>) {
        let (frame, least) = (Frame::Danger, body.height());
        self.add(Section { frame, title: text::DANGER.to_owned(), body, least, cursor });
    }

    fn add(&mut self, section: Section) {
        if section.body.height() > 0 {
            self.sections.push(section);
        }
    }

    /// Blank lines before a section: the more, the more room there is.
    fn gap(&self, position: usize, airy: u8) -> usize {
        let boxes = |position: usize| self.sections[position].frame != Frame::None && self.framed;
        match (position, airy) {
            (0, _) | (_, 0) => 0,
            (_, 1) => usize::from(!(boxes(position - 1) && boxes(position))),
            _ => 1,
        }
    }

    fn total(&self, airy: u8) -> usize {
        let heights = self.sections.iter().map(|section| section.height(self.framed));
        let gaps = (0..self.sections.len()).map(|position| self.gap(position, airy));
        heights.sum::<usize>() + gaps.sum::<usize>()
    }

    /// Cuts what may be cut, from the end; returns how many blank lines there are.
    fn fit(&mut self) -> u8 {
        let height = self.height();
        if let Some(airy) = [2, 1, 0].into_iter().find(|airy| self.total(*airy) <= height) {
            return airy;
        }
        for position in (0..self.sections.len()).rev() {
            let over = self.total(0).saturating_sub(height);
            let section = &mut self.sections[position];
            let lines = section.body.height();
            if over == 0 || lines <= section.least {
                continue;
            }
            // The last line says that there is more.
            let left = lines.saturating_sub(over).max(section.least);
            if left <= section.least.max(STUB) && section.least == 0 {
                self.sections.remove(position);
                continue;
            }
            section.body.cut_to(left, Line::styled(text::MORE, style::NOTE));
        }
        // A section that was left out may leave room for blank lines.
        [2, 1].into_iter().find(|airy| self.total(*airy) <= height).unwrap_or(0)
    }

    /// Draws the sections; returns where the cursor is.
    pub(super) fn draw(mut self, buffer: &mut Buffer) -> Option<Position> {
        let airy = self.fit();
        let column = self.column;
        let usual = column.height.saturating_sub(USUAL) / 3;
        let over = usize::from(column.height).saturating_sub(self.total(airy));
        let mut y = column.y + usual.min(over as u16);
        let mut cursor = None;
        for position in 0..self.sections.len() {
            y += self.gap(position, airy) as u16;
            let section = &self.sections[position];
            let room = column.bottom().saturating_sub(y);
            let height = (section.height(self.framed) as u16).min(room);
            let area = Rect { y, height, ..column };
            cursor = draw_section(section, self.framed, area, buffer).or(cursor);
            y += height;
        }
        cursor
    }
}

fn draw_section(
    section: &Section,
    framed: bool,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let side = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let inner = match section.frame {
        Frame::None => side,
        _ if !framed => {
            let style = match section.frame {
                Frame::Danger => style::DANGER,
                _ => style::HEADING,
            };
            buffer.set_stringn(side.x, side.y, &section.title, side.width.into(), style);
            Rect { y: side.y + 1, height: side.height - 1, ..side }
        }
        frame => {
            let block = match frame {
                Frame::Danger => {
                    buffer.set_style(area, style::DANGER);
                    Block::bordered().border_set(border::DOUBLE).border_style(style::DANGER)
                }
                _ => Block::bordered().border_style(style::NOTE),
            };
            let title_style = if frame == Frame::Danger { style::DANGER } else { style::HEADING };
            let title = Span::styled(format!(" {} ", section.title), title_style);
            let block = block.title(title);
            let inner = block.inner(area);
            block.render(area, buffer);
            Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
        }
    };
    for (line, y) in section.body.lines().iter().zip(inner.top()..inner.bottom()) {
        buffer.set_line(inner.x, y, line, inner.width);
    }
    let (column, row) = section.cursor?;
    let x = (inner.x + column as u16).min(inner.right().saturating_sub(1));
    let y = inner.y + row as u16;
    (y < inner.bottom()).then_some(Position { x, y })
}
