//! The codes: counted before they are compared, right once, gone when their time is up.

mod checks;
mod life;
mod newest;

use std::time::Duration;

use postrider_core::codes::{Codes, NewCode, Verdict};
use postrider_core::verification::VerificationId;
use postrider_tests::stores::Issuer;

pub(crate) const TTL: i64 = 300_000;
const APP: &str = "shop";

/// The MAC of the right code, and of a wrong one, as a key ring writes them.
const RIGHT: &str = "k1.2f9b6c0d5e1a47830c4d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b";
const WRONG: &str = "k1.2f9b6c0d5e1a47830c4d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8c";

/// A code for an SMS.
pub(crate) fn new_code() -> NewCode {
    NewCode {
        id: VerificationId::random(),
        app: APP.into(),
        purpose: "login".into(),
        to: "+86138****8000".into(),
        latest: "latest".into(),
        mac: RIGHT.into(),
        ttl: Duration::from_millis(TTL.unsigned_abs()),
        max_checks: 5,
    }
}

async fn issued(codes: &Issuer) -> NewCode {
    let code = new_code();
    codes.issue(&code).await.unwrap();
    code
}

/// Checks a guess that is known by one MAC.
async fn check(codes: &Codes, code: &NewCode, mac: &str) -> Verdict {
    codes.check(&code.id, APP, &[mac.to_owned()]).await.unwrap()
}

async fn approved(codes: &Codes, code: &NewCode) -> bool {
    matches!(check(codes, code, RIGHT).await, Verdict::Approved(_))
}

fn incorrect(checks_left: u32) -> Verdict {
    Verdict::Incorrect { checks_left }
}
