//! What only Redis has: keys, what stands in them, scripts that a server forgets, and a clock of its own.

mod claims;
mod proxy;
mod records;
mod server;

use std::time::Duration;

use postrider_core::captchas::{CaptchaText, Captchas, Put};
use postrider_core::codes::{NewCode, Verdict};
use postrider_core::seal::KeyRing;
use postrider_core::throttle::{Asker, Decision, Throttle};
use postrider_core::verification::DeliveryState;
use postrider_delivery::send_record::{Claim, Claimed, Finish, SendRecords};
use postrider_tests::stores::Issuer;
use uuid::Uuid;

use crate::captchas::RULES;
use crate::codes::new_code;
use crate::rig::Rig;
use crate::throttle::{DAY, HOUR, MINUTE, limits};

const NUMBER: &str = "+8613800138000";
const IP: &str = "203.0.113.7";
const CODE: &str = "472915";
const LEASE: Duration = Duration::from_secs(30);

/// The stores under test and what is asked of them.
struct Stores {
    throttle: Throttle,
    codes: Issuer,
    records: SendRecords,
    captchas: Captchas,
    keys: KeyRing,
}

impl Stores {
    fn of(rig: &Rig) -> Self {
        let limits = limits(&[(MINUTE, 1), (DAY, 10)], &[(HOUR, 5)]);
        let lines = format!("new {}\nold {}", "5a".repeat(32), "c3".repeat(32));
        let keys = KeyRing::parse(&lines).unwrap();
        let (codes, records, captchas) = (rig.codes(), rig.records(), rig.captchas(RULES));
        Self { throttle: rig.throttle(&limits), codes, records, captchas, keys }
    }

    fn asker(&self) -> Asker {
        Asker { number: self.keys.macs(&["number", NUMBER]), ip: self.keys.macs(&["ip", IP]) }
    }

    fn code(&self) -> NewCode {
        let code = new_code();
        let mac = self.keys.mac(&["code", &code.app, &code.id.to_string(), CODE]);
        NewCode { mac, latest: self.keys.mac(&["latest", &code.app, &code.purpose, NUMBER]), ..code }
    }

    fn guess(&self, code: &NewCode, guess: &str) -> Vec<String> {
        self.keys.macs(&["code", &code.app, &code.id.to_string(), guess])
    }

    fn task(code: &NewCode) -> Claim {
        let (task, window) = (code.id.task_id(), Duration::from_mins(5));
        Claim { task, not_after: None, window, resend: false, replays: 0, lease: LEASE }
    }

    /// A picture that is drawn, spoken and answered, and one that is not answered.
    async fn answer(&self, between: &impl AsyncFn()) -> CaptchaText {
        let (text, [answered, waits]) = (CaptchaText::random(), [(); 2].map(|()| Uuid::new_v4()));
        for id in [answered, waits] {
            between().await;
            assert_eq!(self.captchas.put(id, &text.seal(&self.keys, id)).await.unwrap(), Put::Kept);
        }
        between().await;
        assert!(self.captchas.peek(answered).await.unwrap().is_some());
        between().await;
        let sealed = self.captchas.take(answered).await.unwrap().unwrap();
        assert_eq!(CaptchaText::open(&self.keys, answered, &sealed).unwrap(), text);
        text
    }

    /// A verification from the request to the check, as far as it is stored; `between` is called before each step.
    async fn verify(&self, between: impl AsyncFn()) -> NewCode {
        between().await;
        let Decision::Granted(taken) = self.throttle.acquire(self.asker()).await.unwrap() else { panic!() };
        between().await;
        assert!(self.throttle.release(&taken).await.unwrap());
        between().await;
        assert!(matches!(self.throttle.acquire(self.asker()).await.unwrap(), Decision::Granted(_)));
        between().await;
        assert!(matches!(self.throttle.acquire(self.asker()).await.unwrap(), Decision::Denied { .. }));
        let (code, withdrawn) = (self.code(), self.code());
        for code in [&code, &withdrawn] {
            between().await;
            self.codes.issue(code).await.unwrap();
        }
        between().await;
        self.codes.withdraw(&withdrawn).await.unwrap();
        between().await;
        assert_eq!(
            self.codes.latest(std::slice::from_ref(&code.latest)).await.unwrap(),
            Some(code.id.clone())
        );
        between().await;
        let Claimed::Granted(turn) = self.records.claim(&Self::task(&code)).await.unwrap() else { panic!() };
        between().await;
        assert!(self.records.finish(&turn, &Finish::Sent).await.unwrap());
        between().await;
        assert!(self.codes.delivery(&code.id, DeliveryState::Sent).await.unwrap());
        between().await;
        let wrong = self.codes.check(&code.id, &code.app, &self.guess(&code, "000000")).await.unwrap();
        assert_eq!(wrong, Verdict::Incorrect { checks_left: 4 });
        between().await;
        let right = self.codes.check(&code.id, &code.app, &self.guess(&code, CODE)).await.unwrap();
        assert!(matches!(right, Verdict::Approved(_)));
        between().await;
        assert!(self.codes.get(&code.id, &code.app).await.unwrap().is_some());
        code
    }
}
