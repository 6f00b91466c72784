//! Keeps what a provider writes from carrying a number or a code into a log.
//!
//! A provider's message may quote the request, in any spacing. So it is not searched for this number and this code:
//! every run of digits that is long enough to be one, or a good part of one, is starred.

use super::SendRequest;

/// Shorter runs are counts, HTTP statuses and the like, which help whoever reads the message.
const SHORTEST_RUN: usize = 4;
/// Longest message that is kept, in characters.
const LONGEST_TEXT: usize = 200;
/// Longest id that is kept, in bytes. The longest in use are UUIDs and the like, about 40.
const LONGEST_ID: usize = 128;

/// The text on one line and cut off, with its longer runs of digits starred. Spaces and hyphens do not end a run.
pub(super) fn text(text: &str) -> String {
    let mut kept = String::new();
    let mut run: Vec<char> = Vec::new();
    for char in text.chars().take(LONGEST_TEXT) {
        let char = if char.is_control() { ' ' } else { char };
        if char.is_numeric() || (!run.is_empty() && matches!(char, ' ' | '-')) {
            run.push(char);
        } else {
            end_run(&mut kept, &mut run);
            kept.push(char);
        }
    }
    end_run(&mut kept, &mut run);
    kept
}

/// The provider's id of a message, if it is one: short, printable, and not the number or the code echoed.
pub(super) fn identifier(id: &str, request: &SendRequest) -> Option<String> {
    let well_formed = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let digits = request.to.domestic().trim_start_matches('+');
    let echoed = id == request.code.expose() || id.contains(digits);
    (well_formed && !echoed).then(|| id.to_owned())
}

fn end_run(kept: &mut String, run: &mut Vec<char>) {
    let digits = run.iter().filter(|char| char.is_numeric()).count();
    if digits < SHORTEST_RUN {
        kept.extend(run.drain(..));
        return;
    }
    let end = run.iter().rposition(|char| char.is_numeric()).map_or(0, |last| last + 1);
    kept.push_str("****");
    kept.extend(run.drain(..).skip(end));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::double;

    #[test]
    fn long_runs_of_digits_are_starred_in_every_spacing() {
        let cases = [
            ("号码13800138000格式有误", "号码****格式有误"),
            ("to +86 138-0013-8000: code 123 456.", "to +****: code ****."),
            ("１３８００１３８０００", "****"),
            ("Permits:10, HTTP 502", "Permits:10, HTTP 502"),
            ("line\none\t12", "line one 12"),
            ("13800138000 refused", "**** refused"),
        ];
        for (message, kept) in cases {
            assert_eq!(text(message), kept);
        }
        assert_eq!(text(&"x".repeat(1000)).len(), LONGEST_TEXT);
    }

    #[test]
    fn an_id_that_echoes_the_request_or_is_no_id_is_dropped() {
        let request = double::request(1);
        let sid = "ff8080813c373cab013c94b0f0512345";

        assert_eq!(identifier(sid, &request).as_deref(), Some(sid));
        for id in ["", "123456", "x-13800138000", "two words", "号码", &"x".repeat(LONGEST_ID + 1)] {
            assert_eq!(identifier(id, &request), None, "{id:?}");
        }
    }
}
