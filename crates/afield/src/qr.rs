//! A QR code for terminals: two modules per character, with unicode half blocks.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The code for a text; `None` when it is too long for one.
///
/// Dark modules are drawn as spaces on a light ground, so that it reads on dark terminals, where
/// most are; readers accept the inverse of the rest.
pub(crate) fn render(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let mut image = code.render::<Dense1x2>();
    image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    Some(image.quiet_zone(true).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_on_a_small_terminal() {
        let link = "http://192.168.100.100:7433/#pair=afl_0123456789abcdef0123456789abcdef01234567";
        let code = render(link).unwrap();
        let widths: Vec<_> = code.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0] && *width <= 80));
        assert!(widths.len() <= 24, "{} lines", widths.len());
        assert!(code.chars().all(|c| matches!(c, '█' | '▀' | '▄' | ' ' | '\n')));
    }

    #[test]
    fn too_long_a_text_has_none() {
        assert!(render(&"x".repeat(10_000)).is_none());
    }
}
