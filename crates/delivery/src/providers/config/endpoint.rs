//! Which addresses a provider may be called at.
//!
//! A request carries a number and a code, so it goes over TLS or stays on this machine, unless the operator says that
//! the network in between is his. An address never holds a password: it would show in `config dump`.

use std::net::IpAddr;

use reqwest::Url;

use super::ProviderConfigError;

/// Reads the address in `<table>.<key>`, or says what is wrong with it. The address itself is not quoted: its path may
/// hold a secret.
pub(in crate::providers) fn parse(
    table: &str,
    key: &str,
    text: &str,
    allow_http: bool,
) -> Result<Url, ProviderConfigError> {
    let invalid = |reason: String| Err(ProviderConfigError::invalid(format!("{table}.{key}"), reason));
    let url = match Url::parse(text) {
        Ok(url) if url.has_host() => url,
        Ok(_) => return invalid("is not an http or https address".into()),
        Err(error) => return invalid(format!("is not an address: {error}")),
    };
    match url.scheme() {
        "https" => {}
        "http" if allow_http || is_loopback(&url) => {}
        "http" => {
            return invalid(format!(
                "must be https, since http shows numbers and codes to the network; \
                 set {table}.allow_http = true where that network is yours"
            ));
        }
        _ => return invalid("is not an http or https address".into()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return invalid("must not hold a user name or a password".into());
    }
    if url.fragment().is_some() {
        return invalid("must not have a fragment".into());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, allow_http: bool) -> Option<String> {
        parse("providers.webhook", "url", text, allow_http).err().map(|error| error.to_string())
    }

    #[test]
    fn plain_http_stays_on_this_machine_unless_allowed() {
        for text in
            ["https://sms.example/send?a=b", "http://127.0.0.1:9", "http://[::1]:9/x", "http://localhost"]
        {
            assert_eq!(problem(text, false), None, "{text}");
        }
        assert_eq!(problem("http://gateway.lan/send", true), None);

        let refused = problem("http://gateway.lan/send", false).unwrap();
        assert!(refused.starts_with("providers.webhook.url must be https"), "{refused}");
        assert!(refused.contains("providers.webhook.allow_http = true"), "{refused}");
        assert!(problem("http://localhost.evil.example/", false).is_some());
        assert!(problem("http://127.0.0.1@evil.example/", false).is_some());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_quoted() {
        let texts = [
            "",
            "sms.example",
            "ftp://sms.example/t0ken",
            "https://u:t0ken@sms.example/",
            "https://x/#t0ken",
            "data:x",
        ];
        for text in texts {
            let problem = problem(text, true).unwrap();
            assert!(problem.starts_with("providers.webhook.url ") && !problem.contains("t0ken"), "{problem}");
        }
    }
}
