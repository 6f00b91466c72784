//! Chords on Redis, by Celery's keys: each step is one script.

use std::sync::LazyLock;

use super::super::{RedisResults, ResultError};
use super::{CLAIM_SECONDS, ChordPart, Claim, DONE_SECONDS, Recorded};
use crate::redis::{Arg, Redis, Script, StoreError};

static SIZE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("size.lua")));
static GROW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("grow.lua")));
static SAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("save.lua")));
static PART: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("part.lua")));
static FINISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("finish.lua")));
static FAIL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("fail.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));

/// The suffixes of a chord's keys.
const RESULTS: &str = ".j";
const ADDED: &str = ".t";
const SIZE_OF: &str = ".s";
const SEEN: &str = ".d";
const CLAIM: &str = ".c";
/// The group itself.
const GROUP: &str = "";

impl RedisResults {
    pub(super) async fn set_chord_size(&self, group: &str, size: usize) -> Result<(), ResultError> {
        self.invoke(&SIZE, &keys(group, [CLAIM, SIZE_OF]), &[size.into(), self.expires()]).await
    }

    pub(super) async fn add_to_chord(&self, group: &str) -> Result<(), ResultError> {
        // Not tried again: a second time it would count twice.
        Ok(self.redis().invoke(&GROW, &keys(group, [ADDED]), &[]).await?)
    }

    pub(super) async fn save_group(&self, group: &str, text: String) -> Result<(), ResultError> {
        self.invoke(&SAVE, &keys(group, [GROUP]), &[text.into(), self.expires()]).await
    }

    pub(super) async fn record(&self, part: &ChordPart) -> Result<Recorded, ResultError> {
        let keys = keys(&part.group_id, [RESULTS, ADDED, SIZE_OF, SEEN, GROUP, CLAIM]);
        let args: [Arg; 6] = [
            part.task_id.as_str().into(),
            part.member().into(),
            part.place().into(),
            self.expires(),
            CLAIM_SECONDS.to_string().into(),
            part.claim().token.into(),
        ];
        let mut answer = self.invoke::<Vec<Vec<u8>>>(&PART, &keys, &args).await?.into_iter();
        match answer.next().as_deref() {
            Some(b"waiting") => Ok(Recorded::Waiting),
            Some(b"done") => Ok(Recorded::AlreadyDone),
            Some(b"ready") => {
                let group = answer.next().filter(|group| !group.is_empty());
                Ok(Recorded::Complete { group, members: answer.collect() })
            }
            _ => Err(StoreError::Answer("part.lua").into()),
        }
    }

    pub(super) async fn finish(&self, claim: &Claim) -> Result<bool, ResultError> {
        let keys = keys(&claim.group_id, [CLAIM, RESULTS, ADDED, SIZE_OF, SEEN]);
        self.settle(&FINISH, &keys, &[claim.token.as_str().into(), DONE_SECONDS.to_string().into()]).await
    }

    pub(super) async fn fail(&self, claim: &Claim) -> Result<bool, ResultError> {
        self.settle(&FAIL, &keys(&claim.group_id, [CLAIM, SIZE_OF]), &[claim.token.as_str().into()]).await
    }

    pub(super) async fn release(&self, claim: &Claim) -> Result<bool, ResultError> {
        self.settle(&RELEASE, &keys(&claim.group_id, [CLAIM]), &[claim.token.as_str().into()]).await
    }

    async fn settle(&self, script: &Script, keys: &[String], args: &[Arg]) -> Result<bool, ResultError> {
        Ok(self.invoke::<i64>(script, keys, args).await? == 1)
    }
}

fn keys<const N: usize>(group: &str, suffixes: [&str; N]) -> [String; N] {
    suffixes.map(|suffix| Redis::group_key(group, suffix))
}
