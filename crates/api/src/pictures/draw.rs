//! A text as a picture: letters in two waves, noise, a circle in which black is white, and dots.
//!
//! Whatever can be drawn by lots is, so that no two pictures are alike. That slows a program that reads pictures down and
//! stops none that is made for it: what bounds the damage are the limits behind the picture.

use captcha::filters::{Cow, Dots, Noise, Wave};
use captcha::{Captcha, Geometry};
use postrider_core::captchas::CaptchaText;
use postrider_core::seal::random_bytes;

const WIDTH: u32 = 240;
const HEIGHT: u32 = 100;

/// The picture as a PNG; `None` when a letter is not in the font.
pub(super) fn draw(text: &CaptchaText) -> Option<Vec<u8>> {
    let mut picture = Captcha::new();
    for letter in text.expose().chars() {
        picture.set_chars(&[letter]).add_char();
    }
    if picture.chars_as_string() != text.expose() {
        return None;
    }
    let lots = random_bytes::<6>().map(|byte| f64::from(byte) / f64::from(u8::MAX));
    let [long, high, broad, wide, first, second] = lots;
    let circle = Cow::new().min_radius(28).max_radius(42).circles(1);
    picture
        .apply_filter(
            Wave::new(between(1.5, 3.0, long), either_way(between(7.0, 11.0, high), first)).horizontal(),
        )
        .apply_filter(
            Wave::new(between(1.5, 2.5, broad), either_way(between(5.0, 9.0, wide), second)).vertical(),
        )
        .view(WIDTH, HEIGHT)
        .apply_filter(Noise::new(0.2))
        .apply_filter(circle.area(Geometry::new(40, WIDTH - 40, 30, HEIGHT - 30)))
        .apply_filter(Dots::new(5).min_radius(2).max_radius(4));
    picture.as_png()
}

fn between(least: f64, most: f64, lot: f64) -> f64 {
    least + (most - least) * lot
}

fn either_way(height: f64, lot: f64) -> f64 {
    if lot < 0.5 { height } else { -height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_png_and_no_two_of_it_are_alike() {
        let text = CaptchaText::random();

        let [one, other] = [draw(&text).unwrap(), draw(&text).unwrap()];

        assert!(one.starts_with(b"\x89PNG\r\n\x1a\n"), "{:?}", &one[..16]);
        let size = [WIDTH, HEIGHT].map(u32::to_be_bytes).concat();
        assert_eq!(&one[16..24], size.as_slice());
        assert_ne!(one, other);
    }
}
