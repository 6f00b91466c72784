//! What can be configured about providers, and the one place that builds the provider that was chosen.
//!
//! The section of the worker's `config.default.toml`, which is the manual:
//!
//! ```toml
#![doc = include_str!("../../../data/providers.default.toml")]
//! ```

mod endpoint;
mod error;
mod secret;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration_text;
use postrider_core::clock::Clock;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use super::webhook::Webhook;
use super::yuntongxun::YunTongXun;
use super::{Console, Provider};
use crate::handlers::RetryDelays;
use crate::send::SendPolicy;

pub use self::error::ProviderConfigError;
pub(super) use self::{endpoint::parse as parse_endpoint, secret::read_secret};

/// The commented sections `[sms]` and `[providers]` with their defaults, for the manual of whoever links this crate.
pub const DEFAULT_TOML: &str = include_str!("../../../data/providers.default.toml");

/// `[sms]`: who sends.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmsConfig {
    /// The provider that every message goes to. Default: `console`, which prints it, so that a first start sends
    /// nothing and costs nothing.
    pub provider: ProviderKind,
    /// What to do when a provider may or may not have taken a message. Default: `auto`.
    pub policy: UnknownPolicy,
    /// How long a provider call may take before its worker is thought dead. Default: 15 s.
    #[serde(with = "duration_text")]
    pub lease: Duration,
    /// The life of a code whose task does not tell it, from the first sight of the task on. Default: 300 s.
    #[serde(with = "duration_text")]
    pub window: Duration,
    /// How long `ccp_send_sms_code` waits before another try. Default: `intended`.
    pub retry_delays: RetryDelays,
}

/// What to do when a provider may or may not have taken a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownPolicy {
    /// Try again where the provider drops repetitions, else stop.
    #[default]
    Auto,
    /// Try again: at least once, and twice where the provider does not drop repetitions.
    Retry,
    /// Stop and report: at most once.
    Stop,
}

impl SmsConfig {
    /// The policy as it holds for a provider.
    pub fn send_policy(&self, provider: &dyn Provider) -> Result<SendPolicy, ProviderConfigError> {
        if self.lease < MIN_LEASE {
            let reason = format!("must be at least {MIN_LEASE:?}, and longer than the provider's timeout");
            return Err(ProviderConfigError::invalid("sms.lease", reason));
        }
        if self.window.is_zero() || self.window > MAX_WINDOW {
            return Err(ProviderConfigError::invalid("sms.window", format!("must be 1s to {MAX_WINDOW:?}")));
        }
        let resend = match self.policy {
            UnknownPolicy::Auto => provider.dedupes(),
            UnknownPolicy::Retry => true,
            UnknownPolicy::Stop => false,
        };
        Ok(SendPolicy { resend, lease: self.lease, window: self.window })
    }
}

/// A provider that is compiled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// Prints on standard output.
    #[default]
    Console,
    /// Posts JSON to an address of yours.
    Webhook,
    /// YunTongXun's template messages.
    YunTongXun,
}

/// `[providers]`: a table for each provider that needs one. Only the chosen one's has to be filled in.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvidersConfig {
    /// `[providers.webhook]`.
    pub webhook: WebhookConfig,
    /// `[providers.yuntongxun]`.
    pub yuntongxun: YunTongXunConfig,
}

/// `[providers.webhook]`: a receiver that speaks our JSON, signed as Standard Webhooks are.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where messages are posted. Required. Redirects are not followed, so that no code goes anywhere else.
    pub url: Option<String>,
    /// The signing secret, `whsec_` and base64 of 24 to 64 bytes. Without a signature anybody who finds the address
    /// could send through the receiver at its owner's cost.
    #[serde(serialize_with = "starred")]
    pub secret: Option<SecretString>,
    /// A file that holds the secret; it or `secret` is required. Keeps it out of the configuration and its backups.
    pub secret_file: Option<PathBuf>,
    /// Allows `http` to another machine. Default: false, since it shows numbers and codes to the network.
    pub allow_http: bool,
    /// Whether the receiver drops a second request with the same `Idempotency-Key`. Default: false. Only with true is
    /// an unknown outcome tried again; a wrong true sends people two messages.
    pub idempotent: bool,
    /// The text of the SMS with `{code}` and `{minutes}`, for a receiver that sends text. Default: none, no `text` field.
    pub text: Option<String>,
    /// Statuses that mean "taken", each like `200` or `2xx`. Default: `["2xx"]`.
    pub success: Vec<String>,
    /// What other answers mean; the first rule that fits counts, before `success`. Default: none.
    pub rules: Vec<WebhookRule>,
    /// The field of a success that holds the receiver's own id of the message. Default: `id`; it may be absent.
    pub receipt_field: String,
    /// How long a connection may take. Default: 2 s. What fails in it was certainly not sent.
    #[serde(with = "duration_text")]
    pub connect_timeout: Duration,
    /// How long the whole exchange may take. Default: 5 s: a worker's place is taken for so long, and codes are short-lived.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
}

/// One of `providers.webhook.rules`: fits when all that it names fits.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookRule {
    /// A status like `429` or `4xx`. Default: any.
    pub status: Option<String>,
    /// A field of the JSON answer, with dots into objects: `error.code`. Default: the body is not looked at.
    pub field: Option<String>,
    /// What the field holds: text, or a number or boolean as text.
    pub equals: Option<String>,
    /// What it means: `accepted`, `duplicate_request` or the name of a class of failures.
    pub class: String,
}

/// `[providers.yuntongxun]`: an application in YunTongXun's console.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct YunTongXunConfig {
    /// ACCOUNT SID in the console. Required.
    pub account_sid: Option<String>,
    /// AUTH TOKEN in the console: who has it sends at your cost.
    #[serde(serialize_with = "starred")]
    pub auth_token: Option<SecretString>,
    /// A file that holds the token; it or `auth_token` is required. Keeps it out of the configuration and its backups.
    pub auth_token_file: Option<PathBuf>,
    /// The application's APP ID. Required.
    pub app_id: Option<String>,
    /// The template, which takes the code and the minutes. Default: `1`, the test template, which reaches only the
    /// numbers that are registered in the console.
    pub template_id: String,
    /// Scheme, host and port. Default: `https://app.cloopen.com:8883`. Another one for the sandbox or a double.
    pub base_url: String,
    /// Allows `http` to another machine. Default: false, since it shows numbers and codes to the network.
    pub allow_http: bool,
    /// How long a connection may take. Default: 2 s. What fails in it was certainly not sent.
    #[serde(with = "duration_text")]
    pub connect_timeout: Duration,
    /// How long the whole exchange may take. Default: 5 s: a worker's place is taken for so long, and codes are short-lived.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);
const MIN_LEASE: Duration = Duration::from_secs(1);
const MAX_WINDOW: Duration = Duration::from_mins(10);

/// Builds the chosen provider, having checked all of its table. Reads the secret's file, if one is named.
pub fn build(
    kind: ProviderKind,
    config: &ProvidersConfig,
    clock: Clock,
) -> Result<Arc<dyn Provider>, ProviderConfigError> {
    Ok(match kind {
        ProviderKind::Console => Arc::new(Console::stdout()),
        ProviderKind::Webhook => Arc::new(Webhook::new(&config.webhook, clock)?),
        ProviderKind::YunTongXun => Arc::new(YunTongXun::new(&config.yuntongxun, clock)?),
    })
}

impl Default for SmsConfig {
    fn default() -> Self {
        Self {
            provider: ProviderKind::default(),
            policy: UnknownPolicy::default(),
            lease: Duration::from_secs(15),
            window: Duration::from_mins(5),
            retry_delays: RetryDelays::default(),
        }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            secret_file: None,
            allow_http: false,
            idempotent: false,
            text: None,
            success: vec!["2xx".into()],
            rules: Vec::new(),
            receipt_field: "id".into(),
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
        }
    }
}

impl Default for YunTongXunConfig {
    fn default() -> Self {
        Self {
            account_sid: None,
            auth_token: None,
            auth_token_file: None,
            app_id: None,
            template_id: "1".into(),
            base_url: "https://app.cloopen.com:8883".into(),
            allow_http: false,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
        }
    }
}

#[expect(clippy::ref_option, reason = "serde's serialize_with passes a reference to the field")]
fn starred<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "******").serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn providers(json: Value) -> Result<ProvidersConfig, serde_json::Error> {
        serde_json::from_value(json)
    }

    fn problem(kind: ProviderKind, json: Value) -> String {
        let built = build(kind, &providers(json).unwrap(), Clock::System);
        built.err().expect("the configuration is refused").to_string()
    }

    #[test]
    fn a_table_is_checked_when_its_provider_is_chosen_and_the_problem_names_the_key() {
        let url = "https://sms.example";
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let webhooks = [
            (json!({}), "providers.webhook.url is missing"),
            (json!({"url": "http://sms.lan", "secret": secret}), "providers.webhook.url must be https"),
            (json!({"url": url}), "providers.webhook.secret_file is missing"),
            (json!({"url": url, "secret": "s3cret"}), "providers.webhook.secret must be whsec_"),
            (json!({"url": url, "secret": secret, "text": "hello"}), "providers.webhook.text must contain"),
            (
                json!({"url": url, "secret": secret, "success": ["ok"]}),
                "providers.webhook.success[0] must be",
            ),
            (
                json!({"url": url, "secret": secret, "timeout": "1s"}),
                "providers.webhook.connect_timeout must be",
            ),
        ];
        for (webhook, expected) in webhooks {
            let problem = problem(ProviderKind::Webhook, json!({ "webhook": webhook }));
            assert!(problem.starts_with(expected) && !problem.contains("s3cret"), "{problem}");
        }
        let given = |key: &str, value: &str| {
            let mut table = json!({"account_sid": "a1", "auth_token": "t", "app_id": "b2"});
            table[key] = value.into();
            table
        };
        let tables = [
            (json!({}), "providers.yuntongxun.account_sid is missing"),
            (given("account_sid", "../x"), "providers.yuntongxun.account_sid must consist of"),
            (given("auth_token", ""), "providers.yuntongxun.auth_token is empty"),
            (given("app_id", ""), "providers.yuntongxun.app_id is missing"),
            (given("template_id", "x y"), "providers.yuntongxun.template_id must consist of"),
            (given("base_url", "http://sms.lan"), "providers.yuntongxun.base_url must be https"),
            (given("base_url", "https://sms.lan/?x"), "providers.yuntongxun.base_url must not have a query"),
            (given("connect_timeout", "0s"), "providers.yuntongxun.connect_timeout must be"),
        ];
        for (table, expected) in tables {
            let problem = problem(ProviderKind::YunTongXun, json!({ "yuntongxun": table }));
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn each_provider_is_built_from_its_table_alone() {
        let config = providers(json!({
            "webhook": {"url": "https://sms.example", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
            "yuntongxun": {"account_sid": "a1", "auth_token": "t", "app_id": "b2", "timeout": "8s"},
        }));
        let config = config.unwrap();
        let built = [("console", false), ("webhook", false), ("yuntongxun", true)].map(|(name, dedupes)| {
            let kind: ProviderKind = serde_json::from_value(name.into()).unwrap();
            let provider = build(kind, &config, Clock::System).unwrap();
            (provider.name() == name, provider.dedupes() == dedupes)
        });

        assert_eq!(built, [(true, true); 3]);
        assert!(build(ProviderKind::Console, &ProvidersConfig::default(), Clock::System).is_ok());
    }

    #[test]
    fn secrets_are_starred_wherever_the_configuration_is_shown() {
        let config =
            providers(json!({"webhook": {"secret": "s3cret"}, "yuntongxun": {"auth_token": "s3cret"}}));
        let config = config.unwrap();

        let dumped = serde_json::to_value(&config).unwrap();

        assert_eq!(
            (&dumped["webhook"]["secret"], &dumped["yuntongxun"]["auth_token"]),
            (&json!("******"), &json!("******"))
        );
        assert_eq!(dumped["webhook"]["timeout"], "5s");
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    /// The sections are written by hand for their comments; JSON's literals are TOML's here.
    #[test]
    fn the_manual_shows_every_key_with_its_default_and_no_other() {
        let tables = serde_json::to_value(ProvidersConfig::default()).unwrap();
        let (sms, rest) = DEFAULT_TOML.split_once("\n[providers.webhook]\n").unwrap();
        let (webhook, yuntongxun) = rest.split_once("\n[providers.yuntongxun]\n").unwrap();
        let sections = [
            (sms, serde_json::to_value(SmsConfig::default()).unwrap()),
            (webhook, tables["webhook"].clone()),
            (yuntongxun, tables["yuntongxun"].clone()),
        ];
        for (section, table) in sections {
            for (key, default) in table.as_object().unwrap() {
                let shown = section.lines().any(|line| line == format!("{key} = {default}"));
                let unset =
                    section.contains(&format!("\n# {key} = ")) || section.contains(&format!("`{key}`"));
                assert!(if default.is_null() { unset } else { shown }, "{key} = {default}");
            }
            let settings = section.lines().filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
            let is_key = |key: &&str| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            for key in settings.map(|(key, _)| key).filter(is_key) {
                assert!(table.get(key).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn unknown_keys_and_providers_are_errors() {
        assert!(providers(json!({"twilio": {}})).is_err());
        assert!(providers(json!({"webhook": {"uri": "x"}})).is_err());
        assert!(providers(json!({"webhook": {"rules": [{"state": "429"}]}})).is_err());
        assert!(providers(json!({"yuntongxun": {"token": "x"}})).is_err());
        assert!(serde_json::from_value::<SmsConfig>(json!({"provider": "pigeon"})).is_err());
    }
}
