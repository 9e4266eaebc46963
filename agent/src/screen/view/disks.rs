//! The disks in a table, each with what is on it or why it can't be used.

use ratatui::layout::Constraint;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, HighlightSpacing, Row, StatefulWidget, Table, TableState};

use super::super::flow::{Flow, cut};
use super::super::model::Model;
use super::super::text;
use super::section::Page;
use super::style;
use crate::disk::Condition;
use crate::event::{DiskView, State};
use crate::format;

/// Lines that the contents of a disk take where it is not to be chosen.
const BRIEF: usize = 4;

/// Lines that they take where it is.
const WHOLE: usize = 8;

/// Columns between columns.
const SPACING: u16 = 2;

/// Columns that the contents need to be readable.
const READABLE: usize = 26;

/// The mark of the target and of the choice.
const MARK: &str = "► ";

/// How it is said why a disk can't be used.
#[derive(Clone, Copy, Default)]
struct Reasons {
    prefix: &'static str,
    style: Style,
}

/// Lists the disks in a box: the target, which is marked, those that could be it, and the others. On a
/// screen that has no room for all of them, the last ones are left out.
pub(super) fn list(model: &Model, page: &mut Page) {
    let mut disks: Vec<&DiskView> = model.status.disks.iter().collect();
    if disks.is_empty() {
        return;
    }
    // Reasons are news only where they are why nothing happens.
    let waiting = model.status.state == State::WaitingForDisk;
    let target = model.status.plan.as_ref().map(|plan| &*plan.target.name);
    disks.sort_by_key(|disk| (target != Some(&*disk.name), disk.ineligible.is_some()));
    let target = disks.first().filter(|disk| target == Some(&*disk.name)).map(|_| 0);
    let mut flow = page.inner();
    let table = Disks::new(&disks, false, flow.width());
    let style = if waiting { style::WARNING } else { style::PLAIN };
    let reasons = Reasons { prefix: "not usable: ", style };
    let rows: Vec<_> = disks.iter().map(|disk| table.row(disk, None, BRIEF, reasons)).collect();
    let height = 1 + rows.iter().map(|(_, lines)| lines).sum::<usize>();
    table.draw(rows, target, style::TITLE, height, &mut flow);
    page.boxed(text::DISKS, flow, 0);
}

/// The disks to choose from, with the chosen one in view, and those that can't be used.
pub(super) fn choose(model: &Model, cursor: usize, page: &mut Page, height: usize) {
    let candidates = model.candidates();
    let others: Vec<_> = model.status.disks.iter().filter(|d| d.ineligible.is_some()).collect();
    let all: Vec<_> = model.status.disks.iter().collect();
    let cursor = cursor.min(candidates.len().saturating_sub(1));
    let mut flow = page.inner();
    let table = Disks::new(&all, true, flow.width());
    let row = |(position, disk): (usize, &&DiskView)| {
        table.row(disk, Some(position + 1), WHOLE, Reasons::default())
    };
    let rows: Vec<_> = candidates.iter().enumerate().map(row).collect();
    let lines = 1 + rows.iter().map(|(_, lines)| lines).sum::<usize>();
    let (count, first) = (rows.len(), flow.height());
    let shown = lines.min(height.max(2));
    table.draw(rows, Some(cursor), style::KEY, shown, &mut flow);
    if lines > shown {
        let at = format!("  {} of {count}, more with ↑↓", cursor + 1);
        flow.line(Span::styled(at, style::NOTE));
    }
    let least = flow.height() - first;
    page.boxed(text::DISKS, flow, least);
    if !others.is_empty() {
        let mut flow = page.inner();
        let reasons = Reasons { prefix: "", style: style::PLAIN };
        let rows: Vec<_> =
            others.iter().map(|disk| table.row(disk, None, BRIEF, reasons)).collect();
        let height = 1 + rows.iter().map(|(_, lines)| lines).sum::<usize>();
        table.draw(rows, None, style::PLAIN, height, &mut flow);
        page.boxed(text::NOT_USABLE, flow, 0);
    }
}

/// Widths of the columns, alike for all disks.
struct Disks {
    name: usize,
    size: usize,
    model: usize,
    serial: usize,
    contents: usize,
}

impl Disks {
    fn new(disks: &[&DiskView], numbered: bool, width: usize) -> Self {
        let longest = |of: &dyn Fn(&DiskView) -> usize, title: &str| {
            disks.iter().map(|disk| of(disk)).max().unwrap_or_default().max(title.len())
        };
        let number = if numbered { disks.len().to_string().len() + 1 } else { 0 };
        let text = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
        let name = number + longest(&|disk| disk.device.chars().count(), "DISK");
        let size = longest(&|disk| format::size(disk.size_bytes).len(), "SIZE");
        let model = longest(&|disk| text(&disk.model), "");
        let serial = longest(&|disk| text(&disk.serial), "");
        let titled =
            |width: usize, title: &str| if width == 0 { 0 } else { width.max(title.len()) };
        let fitted = |most_model: usize, most_serial: usize| {
            let model = titled(model.min(most_model), "MODEL");
            let serial = titled(serial.min(most_serial), "SERIAL");
            let columns = [name, size, model, serial];
            let gaps = columns.iter().filter(|width| **width > 0).count() * usize::from(SPACING);
            let used = MARK.chars().count() + columns.iter().sum::<usize>() + gaps;
            Self { name, size, model, serial, contents: width.saturating_sub(used).max(1) }
        };
        // The serial number tells two disks apart where the model does not.
        [(24, 24), (20, 16), (12, 12), (0, 12)]
            .into_iter()
            .map(|(model, serial)| fitted(model, serial))
            .find(|fitted| fitted.contents >= READABLE)
            .unwrap_or_else(|| fitted(0, 0))
    }

    /// A disk's row and the lines that it takes.
    fn row(
        &self,
        disk: &DiskView,
        number: Option<usize>,
        most: usize,
        reasons: Reasons,
    ) -> (Row<'static>, usize) {
        let style = if disk.ineligible.is_none() { style::TITLE } else { style::PLAIN };
        let name = number.map_or_else(String::new, |number| format!("{number} ")) + &disk.device;
        let contents = self.contents(disk, most, reasons);
        let height = contents.len();
        let mut cells = vec![Cell::from(name), Cell::from(format::size(disk.size_bytes))];
        for (text, width) in [(&disk.model, self.model), (&disk.serial, self.serial)] {
            if width > 0 {
                cells.push(Cell::from(cut(text.as_deref().unwrap_or_default(), width)));
            }
        }
        cells.push(Cell::from(Text::from(contents)));
        (Row::new(cells).height(height as u16).style(style), height)
    }

    /// What is on it, or why it can't be used.
    fn contents(&self, disk: &DiskView, most: usize, reasons: Reasons) -> Vec<Line<'static>> {
        let mut flow = Flow::new(self.contents);
        let mut style = style::PLAIN;
        let phrases = if let Some(reason) = &disk.ineligible {
            style = reasons.style;
            vec![format!("{}{}", reasons.prefix, reason.message)]
        } else {
            match disk.condition {
                Condition::Blank => vec!["blank".to_owned()],
                Condition::Unfinished => vec!["unfinished installation".to_owned()],
                Condition::Installed => vec!["installed NixOS".to_owned()],
                Condition::PossiblyInstalled => vec!["perhaps an installed system".to_owned()],
                Condition::Unreadable => vec!["unreadable".to_owned()],
                Condition::Data if disk.contents.is_empty() => vec!["not blank".to_owned()],
                Condition::Data => disk.contents.clone(),
            }
        };
        for phrase in phrases {
            let phrase = phrase.strip_prefix("partition ").unwrap_or(&phrase);
            flow.spans(2, vec![Span::styled(phrase.to_owned(), style)]);
        }
        if flow.height() > most {
            flow.cut_to(most, Line::styled("...", style));
        }
        flow.lines().to_vec()
    }

    fn draw(
        &self,
        rows: Vec<(Row<'static>, usize)>,
        marked: Option<usize>,
        mark_style: Style,
        height: usize,
        flow: &mut Flow,
    ) {
        let columns = [
            (self.name, "DISK"),
            (self.size, "SIZE"),
            (self.model, "MODEL"),
            (self.serial, "SERIAL"),
            (self.contents, "CONTENTS"),
        ];
        let columns = columns.iter().filter(|(width, _)| *width > 0);
        let (widths, titles): (Vec<_>, Vec<_>) = columns
            .map(|(width, title)| (Constraint::Length(*width as u16), cut(title, *width)))
            .unzip();
        let table = Table::new(rows.into_iter().map(|(row, _)| row), widths)
            .header(Row::new(titles).style(style::NOTE))
            .column_spacing(SPACING)
            .highlight_symbol(MARK)
            .highlight_spacing(HighlightSpacing::Always)
            .row_highlight_style(mark_style);
        let mut state = TableState::default().with_selected(marked);
        flow.widget(height, |area, buffer| {
            StatefulWidget::render(table, area, buffer, &mut state);
        });
    }
}
