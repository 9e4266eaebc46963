//! Styled words → lines that fit a width.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::glyph;

/// Lines of a page, top to bottom.
pub(super) struct Flow {
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Flow {
    /// Nothing yet; text is broken before `width` columns are full.
    pub(super) fn new(width: usize) -> Self {
        Self { width, lines: Vec::new() }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Lines so far.
    pub(super) fn height(&self) -> usize {
        self.lines.len()
    }

    /// A line as it is.
    pub(super) fn line(&mut self, line: impl Into<Line<'static>>) {
        self.lines.push(line.into());
    }

    /// A paragraph in one style.
    pub(super) fn text(&mut self, text: &str, style: Style) {
        self.spans(0, vec![Span::styled(text.to_owned(), style)]);
    }

    /// A paragraph whose further lines are indented by `indent` columns.
    pub(super) fn spans(&mut self, indent: usize, spans: Vec<Span<'static>>) {
        self.lines.extend(wrap(&spans, self.width, indent));
    }

    /// Words at both ends of a line, or on two lines where they don't fit.
    pub(super) fn ends(&mut self, left: Span<'static>, right: Span<'static>) {
        let room = self.width.saturating_sub(left.width() + right.width());
        if room == 0 {
            self.spans(0, vec![left]);
            return self.spans(0, vec![right]);
        }
        self.line(Line::from(vec![left, Span::raw(" ".repeat(room)), right]));
    }

    /// What a widget draws on this many lines.
    pub(super) fn widget(&mut self, height: usize, draw: impl FnOnce(Rect, &mut Buffer)) {
        let area = Rect::new(0, 0, self.width as u16, height as u16);
        let mut buffer = Buffer::empty(area);
        draw(area, &mut buffer);
        // A sign that takes two cells would move the rest of its line.
        glyph::fit(&mut buffer);
        for row in buffer.content.chunks(self.width.max(1)) {
            let runs = row.chunk_by(|a, b| a.style() == b.style());
            self.lines.push(Line::from_iter(runs.map(|run| {
                let text: String = run.iter().map(Cell::symbol).collect();
                Span::styled(text, run[0].style())
            })));
        }
    }

    /// Adds another flow's lines.
    pub(super) fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// Keeps `height` lines; the last of them is replaced by `last`.
    pub(super) fn cut_to(&mut self, height: usize, last: Line<'static>) {
        self.lines.truncate(height.saturating_sub(1));
        self.lines.push(last);
    }

    pub(super) fn lines(&self) -> &[Line<'static>] {
        &self.lines
    }
}

/// Breaks at spaces, and inside of a word that is longer than a line. A line break in the text is
/// kept.
fn wrap(spans: &[Span<'_>], width: usize, indent: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let signs: Vec<Sign> =
        spans.iter().flat_map(|span| span.content.chars().map(|c| (c, span.style))).collect();
    for paragraph in signs.split(|(c, _)| *c == '\n') {
        let mut rest = paragraph;
        loop {
            let start = if lines.is_empty() { 0 } else { indent };
            let room = width.saturating_sub(start).max(1);
            let (line, next) = split(rest, room);
            lines.push(to_line(start, line));
            rest = next;
            if rest.is_empty() {
                break;
            }
        }
    }
    lines
}

/// A character as it is drawn.
type Sign = (char, Style);

/// The first line, and the rest without the spaces between them.
fn split(signs: &[Sign], room: usize) -> (&[Sign], &[Sign]) {
    if signs.len() <= room {
        return (signs, &[]);
    }
    let space = |position: &usize| signs[*position].0 == ' ';
    let end = (1..=room).rev().find(space).unwrap_or(room);
    let skipped = signs[end..].iter().take_while(|(c, _)| *c == ' ').count();
    (&signs[..end], &signs[end + skipped..])
}

fn to_line(indent: usize, signs: &[Sign]) -> Line<'static> {
    let mut spans = Vec::new();
    if indent > 0 {
        spans.push(Span::raw(" ".repeat(indent)));
    }
    for run in signs.chunk_by(|a, b| a.1 == b.1) {
        let text: String = run.iter().map(|(c, _)| *c).collect();
        spans.push(Span::styled(text, run[0].1));
    }
    Line::from(spans)
}

/// The beginning of `text` that fits `width` columns; what is cut off leaves a mark.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use ratatui::style::Stylize;

    use super::*;

    fn lines(text: &str, width: usize, indent: usize) -> Vec<String> {
        let spans = [Span::raw(text.to_owned())];
        wrap(&spans, width, indent).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(lines("one two  three", 7, 0), ["one two", "three"]);
        assert_eq!(lines("one two three", 8, 2), ["one two", "  three"]);
        assert_eq!(lines("abcdefgh ij", 4, 0), ["abcd", "efgh", "ij"]);
        assert_eq!(lines("a\n\nb", 9, 1), ["a", " ", " b"]);
        assert_eq!(lines("", 9, 0), [""]);
        assert_eq!(lines("abc", 0, 9), ["a", "         b", "         c"]);
    }

    #[test]
    fn a_word_keeps_its_style_over_the_break() {
        let spans = ["keep ".into(), "lose this".red(), ".".into()];
        let lines = wrap(&spans, 9, 0);
        assert_eq!(lines[0].spans, ["keep ".into(), "lose".red()]);
        assert_eq!(lines[1].spans, ["this".red(), ".".into()]);
    }

    #[test]
    fn what_is_cut_off_leaves_a_mark() {
        assert_eq!(cut("partition 1", 11), "partition 1");
        assert_eq!(cut("partition 12", 11), "partitio...");
        assert_eq!(cut("abcd", 2), "...");
    }
}
