//! A text as sound, for those who cannot see the picture: its letters one after the other, in one WAV.

use std::io::Cursor;

use captcha::Captcha;
use hound::{WavReader, WavWriter};
use postrider_core::captchas::CaptchaText;

/// The sound as a WAV; `None` when there is no recording of a letter.
pub(super) fn speak(text: &CaptchaText) -> Option<Vec<u8>> {
    let mut voice = Captcha::new();
    for letter in text.expose().chars() {
        voice.set_chars(&[letter]).add_char();
    }
    let letters: Vec<Vec<u8>> = voice.as_wav().into_iter().collect::<Option<_>>()?;
    if letters.len() != text.expose().len() {
        return None;
    }
    joined(&letters).ok()
}

fn joined(letters: &[Vec<u8>]) -> Result<Vec<u8>, hound::Error> {
    let mut sound = Cursor::new(Vec::new());
    let first = letters.first().ok_or(hound::Error::FormatError("no letter"))?;
    let mut writer = WavWriter::new(&mut sound, WavReader::new(first.as_slice())?.spec())?;
    for letter in letters {
        for sample in WavReader::new(letter.as_slice())?.samples::<i16>() {
            writer.write_sample(sample?)?;
        }
    }
    writer.finalize()?;
    Ok(sound.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_wav_of_all_its_letters() {
        let text = CaptchaText::random();

        let sound = speak(&text).unwrap();

        let reader = WavReader::new(sound.as_slice()).unwrap();
        let (spec, samples) = (reader.spec(), reader.duration());
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 22_050, 16));
        // The crate makes each letter as long as the others, so that the length of none gives it away.
        assert_eq!(samples, 5 * 36_000);
        assert_eq!(reader.into_samples::<i16>().flatten().count(), 5 * 36_000);
    }
}
