//! Codes on Redis: each operation is one script.

use std::collections::VecDeque;
use std::sync::LazyLock;

use super::{NOTE_DELIVERY, NewCode, Record, Verdict};
use crate::redis::{Arg, Redis, Script, StoreError};
use crate::verification::{DeliveryState, Verification, VerificationId};

static WITHDRAW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("withdraw.lua")));
static CHECK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("check.lua")));
static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("read.lua")));
static LATEST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("latest.lua")));
static DELIVERY: LazyLock<Script> =
    LazyLock::new(|| Script::behind(NOTE_DELIVERY, include_str!("delivery.lua")));

/// Codes on Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisCodes(Redis);

impl RedisCodes {
    /// The codes on this Redis.
    pub fn new(redis: Redis) -> Self {
        Self(redis)
    }

    /// The key of a verification, for a script that notes its delivery.
    pub fn key(&self, id: &VerificationId) -> String {
        self.0.verification_key(&id.to_string())
    }

    pub(super) async fn withdraw(&self, code: &NewCode) -> Result<(), StoreError> {
        self.0.invoke(&WITHDRAW, &self.keys(code), &[code.id.to_string().into()]).await
    }

    pub(super) async fn check(
        &self,
        id: &VerificationId,
        app: &str,
        macs: &[String],
    ) -> Result<Verdict, StoreError> {
        let mut args = vec![self.0.now_argument(), app.into()];
        args.extend(macs.iter().map(|mac| Arg::from(mac.as_str())));
        let key = [self.key(id)];
        let mut answer = VecDeque::from(self.0.invoke::<Vec<String>>(&CHECK, &key, &args).await?);
        let wrong_shape = StoreError::Answer("check.lua");
        match answer.pop_front().as_deref() {
            Some("approved") => Ok(Verdict::Approved(view(id, answer).ok_or(wrong_shape)?)),
            Some("incorrect") => {
                let left = answer.pop_front().and_then(|left| left.parse().ok()).ok_or(wrong_shape)?;
                Ok(Verdict::Incorrect { checks_left: left })
            }
            Some("expired") => Ok(Verdict::Expired),
            Some("consumed") => Ok(Verdict::Consumed),
            Some("exhausted") => Ok(Verdict::Exhausted),
            Some("not_found") => Ok(Verdict::NotFound),
            _ => Err(wrong_shape),
        }
    }

    pub(super) async fn latest(&self, hashes: &[String]) -> Result<Option<VerificationId>, StoreError> {
        let keys: Vec<String> = hashes.iter().map(|hash| self.0.latest_key(hash)).collect();
        let id: Option<String> = self.0.invoke(&LATEST, &keys, &[]).await?;
        id.map(|id| id.parse().map_err(|_| StoreError::Answer("latest.lua"))).transpose()
    }

    pub(super) async fn get(
        &self,
        id: &VerificationId,
        app: &str,
    ) -> Result<Option<Verification>, StoreError> {
        let key = [self.key(id)];
        let args = [self.0.now_argument(), app.into()];
        let answer: Vec<String> = self.0.invoke(&READ, &key, &args).await?;
        if answer.is_empty() {
            return Ok(None);
        }
        view(id, answer.into()).map(Some).ok_or(StoreError::Answer("read.lua"))
    }

    pub(super) async fn delivery(
        &self,
        id: &VerificationId,
        state: DeliveryState,
    ) -> Result<bool, StoreError> {
        let key = [self.key(id)];
        let known: i64 = self.0.invoke(&DELIVERY, &key, &[state.as_str().into()]).await?;
        Ok(known == 1)
    }

    /// The keys of a code that is kept: of the verification, and of the newest of its number and purpose.
    pub(crate) fn keys(&self, code: &NewCode) -> [String; 2] {
        [self.key(&code.id), self.0.latest_key(&code.latest)]
    }
}

/// Reads `now` and the fields in the order in which the scripts return them.
fn view(id: &VerificationId, fields: VecDeque<String>) -> Option<Verification> {
    let fields: [String; 9] = Vec::from(fields).try_into().ok()?;
    let [now, purpose, to, created, expires, resend, approved, left, delivery] = fields;
    let record = Record {
        purpose,
        to,
        created_ms: created.parse().ok()?,
        expires_ms: expires.parse().ok()?,
        resend_ms: resend.parse().ok()?,
        approved_ms: if approved.is_empty() { None } else { Some(approved.parse().ok()?) },
        checks_left: left.parse().ok()?,
        delivery: delivery.parse().ok()?,
    };
    Some(record.view(id, now.parse().ok()?))
}
