//! What is drawn → what the console's font can show.

use ratatui::buffer::Buffer;

/// The signs beyond ASCII that the kernel's built-in fonts have: code page 437, by the kernel's own
/// table `drivers/tty/vt/cp437.uni`.
const FONT: &str = "\
    ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼⌂\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»\
    ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■";

/// Whether the console's font has `sign`.
pub(super) fn is_shown(sign: char) -> bool {
    matches!(sign, ' '..='~') || FONT.contains(sign)
}

/// The sign to show in the place of `sign`.
fn substitute(sign: char) -> char {
    match sign {
        _ if is_shown(sign) => sign,
        '\u{a0}' => ' ',
        '\u{2010}'..='\u{2015}' => '-',
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '…' => '.',
        _ => '?',
    }
}

/// Replaces what the console would show as a block or not at all.
pub(super) fn fit(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let mut signs = cell.symbol().chars();
        let sign = signs.next().unwrap_or(' ');
        if signs.next().is_some() || !is_shown(sign) {
            cell.set_char(substitute(sign));
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    fn fitted(text: &str) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, text, Style::new());
        fit(&mut buffer);
        buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect::<String>()
    }

    #[test]
    fn the_font_has_128_signs_beyond_ascii_and_31_below_it() {
        // Less the blank at 0xff, which is a space.
        assert_eq!(FONT.chars().count(), 127 + 31 + 1);
    }

    #[test]
    fn what_the_font_lacks_keeps_its_place() {
        assert_eq!(fitted("Zoë √ “x”…"), "Zoë √ \"x\".  ");
        assert_eq!(fitted("Данные|"), "??????|     ");
        // Two columns wide, and a letter with its accent apart.
        assert_eq!(fitted("漢字|e\u{301}|"), "? ? |e|     ");
    }
}
