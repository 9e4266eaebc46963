//! The colours: eight, each for one meaning.
//!
//! Brightness is part of the colour: on the Linux console bold text is drawn in the bright one.

use ratatui::style::{Color, Style};

/// Text that says something.
pub(super) const PLAIN: Style = Style::new().fg(Color::Gray);

/// What the eye should find first.
pub(super) const TITLE: Style = Style::new().fg(Color::White);

/// Names of values, and what may be passed over.
pub(super) const NOTE: Style = Style::new().fg(Color::Cyan);

/// The one loud colour: what is erased, and nothing else.
pub(super) const LOSS: Style = Style::new().fg(Color::White).bg(Color::Red);

/// What is well.
pub(super) const GOOD: Style = Style::new().fg(Color::LightGreen);

/// Worth a look.
pub(super) const WARNING: Style = Style::new().fg(Color::LightYellow);

/// What something that is typed or chosen stands on.
pub(super) const FIELD: Style = Style::new().fg(Color::Black).bg(Color::Gray);

pub(super) const HEADER: Style = Style::new().fg(Color::White).bg(Color::Blue);

pub(super) const KEYS: Style = Style::new().fg(Color::Black).bg(Color::Gray);

pub(super) const KEY: Style = Style::new().fg(Color::White).bg(Color::Blue);

pub(super) const PANEL: Style = Style::new().fg(Color::LightCyan);
