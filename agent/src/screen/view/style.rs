//! The colours: each a role, not a place.
//!
//! Brightness is part of the colour: on the Linux console bold text is drawn in the bright one.
//! Nothing is said by colour alone.

use ratatui::style::{Color, Style};

/// Text that says something.
pub(super) const PLAIN: Style = Style::new().fg(Color::Gray);

/// What the eye should find first, and values.
pub(super) const TITLE: Style = Style::new().fg(Color::White);

/// The page's heading.
pub(super) const HEADING: Style = Style::new().fg(Color::LightCyan);

/// Names of values and columns, frames, gauges, and what may be passed over.
pub(super) const NOTE: Style = Style::new().fg(Color::Cyan);

/// The one loud colour: what is erased, and an install that failed.
pub(super) const DANGER: Style = Style::new().fg(Color::White).bg(Color::Red);

/// What is well.
pub(super) const GOOD: Style = Style::new().fg(Color::LightGreen);

/// Worth a look.
pub(super) const WARNING: Style = Style::new().fg(Color::LightYellow);

/// What something that is typed stands on.
pub(super) const FIELD: Style = Style::new().fg(Color::Black).bg(Color::Gray);

/// A key that works, and what is chosen.
pub(super) const KEY: Style = Style::new().fg(Color::Black).bg(Color::Cyan);

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue in the console's palette: `color_table` and `default_red` and so on in the
    /// kernel's drivers/tty/vt/vt.c.
    fn rgb(color: Color) -> [u8; 3] {
        match color {
            Color::Black => [0, 0, 0],
            Color::Red => [0xaa, 0, 0],
            Color::Cyan => [0, 0xaa, 0xaa],
            Color::Gray => [0xaa, 0xaa, 0xaa],
            Color::LightGreen => [0x55, 0xff, 0x55],
            Color::LightYellow => [0xff, 0xff, 0x55],
            Color::LightCyan => [0x55, 0xff, 0xff],
            Color::White => [0xff, 0xff, 0xff],
            other => panic!("{other} is in no role"),
        }
    }

    /// Relative luminance as WCAG 2 defines it.
    fn luminance(color: Color) -> f64 {
        let linear = rgb(color).map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn every_role_has_a_contrast_of_seven_to_one() {
        for style in [PLAIN, TITLE, HEADING, NOTE, DANGER, GOOD, WARNING, FIELD, KEY] {
            let of = |color: Option<Color>, or| luminance(color.unwrap_or(or));
            let (front, back) = (of(style.fg, Color::Gray), of(style.bg, Color::Black));
            let contrast = (front.max(back) + 0.05) / (front.min(back) + 0.05);
            assert!(contrast >= 7.0, "{style:?}: {contrast:.2}");
        }
    }
}
