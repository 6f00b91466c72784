//! The shop's routes as the tutorial's pages call them, and what their pictures show.
//!
//! No route of the api tells a picture's text, so a test opens the record in Redis with the key that sealed it.

use std::collections::HashMap;

use deadpool_redis::redis::{Client, cmd};
use postrider_core::captchas::CaptchaText;
use uuid::Uuid;

use crate::{
    api::{Answer, Api},
    worker::Setup,
};

impl Setup {
    /// What a picture shows that waits for its answer.
    pub async fn shown(&self, picture: Uuid) -> Option<String> {
        let client = Client::open(self.redis_url.as_str()).expect("a good address");
        let mut redis = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let key = format!("{}:captcha:{picture}", self.prefix);
        let record: HashMap<String, String> =
            cmd("HGETALL").arg(key).query_async(&mut redis).await.expect("Redis answers");
        let text = CaptchaText::open(&self.keys(), picture, record.get("sealed")?);
        Some(text.expect("sealed for this picture").expose().to_owned())
    }

    /// Draws a new picture; its id, and what it shows.
    pub async fn picture(&self, api: &Api) -> (Uuid, String) {
        let picture = Uuid::new_v4();
        let drawn = api.draw(picture).await;
        assert_eq!(drawn.status, 200, "{}", drawn.text);
        (picture, self.shown(picture).await.expect("it was just drawn"))
    }
}

impl Api {
    /// Draws a picture under that id.
    pub async fn draw(&self, picture: Uuid) -> Answer {
        self.get(&format!("/image_codes/{picture}/")).await
    }

    /// Answers a picture and asks for a code.
    pub async fn send_sms_code(&self, mobile: &str, picture: Uuid, typed: &str) -> Answer {
        self.get(&format!("/sms_codes/{mobile}/?uuid={picture}&image_code={typed}")).await
    }

    /// Checks a code as a page without a script does.
    pub async fn check_sms_code(&self, mobile: &str, code: &str) -> Answer {
        let path = format!("/sms_codes/{mobile}/check/");
        self.post_raw(&path, Some("application/x-www-form-urlencoded"), format!("sms_code={code}")).await
    }
}

impl Answer {
    /// The RETCODE, after a look at the form of the answer: HTTP 200, two texts, kept by no cache.
    pub fn retcode(&self) -> &str {
        assert_eq!((self.status, &*self.headers["content-type"]), (200, "application/json"), "{self:?}");
        assert_eq!(self.headers["cache-control"], "no-store", "{self:?}");
        let fields: Vec<&String> = self.body.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["code", "errmsg"], "{}", self.text);
        assert!(!self.text_of("errmsg").is_ascii(), "{}", self.text);
        let code = self.text_of("code");
        assert_eq!(self.headers.contains_key("retry-after"), code == "4002" || self.is_sent(), "{self:?}");
        code
    }

    /// For how many seconds the number, or the address, must wait.
    pub fn wait(&self) -> u64 {
        self.headers["retry-after"].parse().expect("whole seconds")
    }

    fn is_sent(&self) -> bool {
        self.text == r#"{"code":"0","errmsg":"发送短信成功"}"#
    }
}
