//! The codes as the tutorial's Django code reads them: `sms_<mobile>` in the clear, and `send_flag_<mobile>` while the
//! number must wait.
//!
//! It is for a shop that moves only the sending here and goes on checking in Django, and it is off unless an operator
//! asks for it by name: whoever reads that Redis database reads numbers and codes.

use std::sync::LazyLock;
use std::time::Duration;

use crate::clock::millis;
use crate::code::Code;
use crate::phone::PhoneNumber;
use crate::redis::{Arg, Redis, Script, StoreError};

static ISSUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("django_codes/issue.lua")));
static WITHDRAW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("django_codes/withdraw.lua")));

/// Writes codes where Django reads them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DjangoCodes(Redis);

/// What a code has replaced, so that it can be put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replaced(Vec<String>);

impl DjangoCodes {
    /// In this database.
    pub fn new(redis: Redis) -> Self {
        Self(redis)
    }

    /// The database.
    pub fn redis(&self) -> &Redis {
        &self.0
    }

    /// Writes a code for as long as it is good, and the flag for as long as the number must wait.
    pub async fn issue(
        &self,
        to: &PhoneNumber,
        code: &Code,
        ttl: Duration,
        gap: Duration,
    ) -> Result<Replaced, StoreError> {
        let args: [Arg; 4] =
            [self.0.now_argument(), code.expose().into(), millis(ttl).into(), millis(gap).into()];
        self.0.invoke(&ISSUE, &Self::both_keys(to), &args).await.map(Replaced)
    }

    /// Takes a code back and puts in place what it had replaced, unless another has replaced it since.
    pub async fn withdraw(
        &self,
        to: &PhoneNumber,
        code: &Code,
        replaced: &Replaced,
    ) -> Result<(), StoreError> {
        let mut args = vec![self.0.now_argument(), code.expose().into()];
        args.extend(replaced.0.iter().map(|text| Arg::from(text.as_str())));
        self.0.invoke(&WITHDRAW, &Self::both_keys(to), &args).await
    }

    fn both_keys(to: &PhoneNumber) -> [String; 2] {
        [Redis::django_code_key(to.domestic()), Redis::django_flag_key(to.domestic())]
    }
}
