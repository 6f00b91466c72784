//! The text of an SMS from a template with `{code}` and `{minutes}`.

use super::TABLE;
use crate::providers::SendRequest;
use crate::providers::config::ProviderConfigError;

const CODE: &str = "{code}";
const MINUTES: &str = "{minutes}";

/// A template that is known to hold the code and nothing that cannot be filled in.
#[derive(Debug)]
pub(super) struct Template(String);

impl Template {
    /// A message without its code, or with a placeholder left in it, would only be seen by the people who get it.
    pub(super) fn parse(text: &str) -> Result<Self, ProviderConfigError> {
        let rest = text.replace(CODE, "").replace(MINUTES, "");
        if text.contains(CODE) && !rest.contains(['{', '}']) {
            return Ok(Self(text.to_owned()));
        }
        let reason = "must contain {code}, may contain {minutes}, and no other braces";
        Err(ProviderConfigError::invalid(format!("{TABLE}.text"), reason))
    }

    /// Neither value holds a brace, so the order of the two does not matter.
    pub(super) fn render(&self, request: &SendRequest) -> String {
        self.0.replace(CODE, request.code.expose()).replace(MINUTES, &request.minutes.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::double;

    #[test]
    fn both_values_are_filled_in_wherever_they_stand() {
        let template = Template::parse("验证码{code}，{minutes}分钟内有效。{code}").unwrap();

        assert_eq!(template.render(&double::request(1)), "验证码123456，5分钟内有效。123456");
    }

    #[test]
    fn a_template_that_would_go_out_wrong_is_refused() {
        for text in ["", "no code", "{code} {minute}", "{code", "{code}}", "{ code }", "{{code}}"] {
            let problem = Template::parse(text).unwrap_err().to_string();
            assert!(problem.starts_with("providers.webhook.text must contain {code}"), "{text:?}: {problem}");
        }
    }
}
