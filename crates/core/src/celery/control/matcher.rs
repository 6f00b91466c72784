//! Patterns of node names, as kombu's registry of matchers reads them.

use regex::Regex;

/// A pattern that was understood.
#[derive(Debug)]
pub(crate) struct Matcher(Regex);

impl Matcher {
    /// `glob` is Python's `fnmatch`, `pcre` is Python's `re.match`: it must match from the start, not to the end.
    /// `None` for another matcher and for a pattern that cannot be read.
    ///
    /// Look-around and back references, which Python knows, are not read: they take more than linear time.
    pub(crate) fn new(pattern: &str, matcher: &str) -> Option<Self> {
        let expression = match matcher {
            "glob" => translate(pattern),
            "pcre" => format!(r"\A(?:{pattern})"),
            _ => return None,
        };
        match Regex::new(&expression) {
            Ok(expression) => Some(Self(expression)),
            Err(error) => {
                tracing::debug!(%error, "the pattern of a request cannot be read");
                None
            }
        }
    }

    pub(crate) fn matches(&self, node: &str) -> bool {
        self.0.is_match(node)
    }
}

/// A shell pattern as a regular expression: `*`, `?`, `[abc]` and `[!abc]`; a bracket that is not closed is itself.
fn translate(pattern: &str) -> String {
    let mut out = String::from(r"(?s)\A");
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => match set(rest) {
                Some((set, after)) => {
                    out.push_str(&set);
                    rest = after;
                }
                None => out.push_str(r"\["),
            },
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(r"\z");
    out
}

/// What stands between brackets, and what follows. A `]` that comes first is one of the set.
fn set(rest: &str) -> Option<(String, &str)> {
    let negated = rest.starts_with('!');
    let start = usize::from(negated);
    let skip = start + usize::from(rest[start..].starts_with(']'));
    let end = skip + rest[skip..].find(']')?;
    let mut inner = String::new();
    for char in rest[start..end].chars() {
        // All that has a meaning in a set of the regular expressions but the dash, which means the same here.
        if matches!(char, '\\' | '[' | ']' | '^' | '&' | '~') {
            inner.push('\\');
        }
        inner.push(char);
    }
    Some((format!("[{}{inner}]", if negated { "^" } else { "" }), &rest[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_patterns_mean_what_they_mean_in_python() {
        for (pattern, node, matches) in [
            ("worker*", "worker1@host", true),
            ("*@host", "worker1@host", true),
            ("worker?@host", "worker1@host", true),
            ("worker?@host", "worker12@host", false),
            ("worker[0-3]@host", "worker1@host", true),
            ("worker[!0-3]@host", "worker1@host", false),
            ("worker[!a^]@host", "worker1@host", true),
            ("w]x", "w]x", true),
            ("w[]]x", "w]x", true),
            ("w[x", "w[x", true),
            ("a.c", "abc", false),
            ("", "abc", false),
        ] {
            assert_eq!(Matcher::new(pattern, "glob").unwrap().matches(node), matches, "{pattern} {node}");
        }
    }

    #[test]
    fn a_regular_expression_matches_from_the_start_and_need_not_reach_the_end() {
        let matches = |pattern: &str| Matcher::new(pattern, "pcre").unwrap().matches("worker1@host");

        assert!(matches(r"worker\d+@") && matches("a|worker") && !matches("host"));
        assert!(Matcher::new("(?=x)", "pcre").is_none() && Matcher::new("(", "pcre").is_none());
    }
}
