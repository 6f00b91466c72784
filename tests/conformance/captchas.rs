//! The pictures: good for one try, for a short time, and no more of them than there is room for.

use std::time::Duration;

use postrider_core::captchas::{CaptchaRules, Captchas, Put};
use postrider_core::clock::millis;
use uuid::Uuid;

use crate::rig::{Rig, at_once, on_both};

/// Three pictures, for two minutes.
pub(crate) const RULES: CaptchaRules = CaptchaRules { ttl: Duration::from_mins(2), max: 3 };

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

async fn kept(captchas: &Captchas, number: u128, text: &str) -> bool {
    captchas.put(id(number), text).await.unwrap() == Put::Kept
}

/// How long the store says that it is full.
async fn full(captchas: &Captchas, number: u128) -> Option<i64> {
    match captchas.put(id(number), "late").await.unwrap() {
        Put::Kept => None,
        Put::Full { retry_after } => Some(millis(retry_after)),
    }
}

async fn taken(captchas: &Captchas, number: u128) -> Option<String> {
    captchas.take(id(number)).await.unwrap()
}

async fn seen(captchas: &Captchas, number: u128) -> Option<String> {
    captchas.peek(id(number)).await.unwrap()
}

fn pass_to_the_last_millisecond(rig: &Rig) {
    rig.pass(millis(RULES.ttl) - 1);
}

#[test]
fn a_picture_is_looked_at_as_often_as_one_likes_and_taken_once() {
    on_both(async |rig| {
        let captchas = rig.captchas(RULES);
        assert!(kept(&captchas, 1, "one").await && kept(&captchas, 2, "two").await);

        for _ in 0..3 {
            assert_eq!(seen(&captchas, 1).await.as_deref(), Some("one"));
        }
        assert_eq!(taken(&captchas, 1).await.as_deref(), Some("one"));
        assert_eq!((taken(&captchas, 1).await, seen(&captchas, 1).await), (None, None));
        assert_eq!(taken(&captchas, 2).await.as_deref(), Some("two"));
        assert_eq!((taken(&captchas, 3).await, seen(&captchas, 3).await), (None, None));
    });
}

#[test]
fn of_a_hundred_that_take_one_picture_at_once_one_gets_it() {
    on_both(async |rig| {
        let captchas = rig.captchas(RULES);
        assert!(kept(&captchas, 1, "one").await);

        let answers = at_once(100, |_| {
            let captchas = captchas.clone();
            async move { taken(&captchas, 1).await }
        });

        assert_eq!(answers.await.into_iter().flatten().collect::<Vec<_>>(), ["one"]);
    });
}

#[test]
fn drawn_again_the_last_text_counts_for_the_whole_time() {
    on_both(async |rig| {
        let captchas = rig.captchas(RULES);
        assert!(kept(&captchas, 1, "first").await);
        pass_to_the_last_millisecond(rig);

        assert!(kept(&captchas, 1, "second").await);

        pass_to_the_last_millisecond(rig);
        assert_eq!(taken(&captchas, 1).await.as_deref(), Some("second"));
        assert_eq!(taken(&captchas, 1).await, None);
    });
}

#[test]
fn a_picture_that_has_run_out_is_gone_from_that_very_millisecond_on() {
    on_both(async |rig| {
        let captchas = rig.captchas(RULES);
        assert!(kept(&captchas, 1, "one").await && kept(&captchas, 2, "two").await);

        pass_to_the_last_millisecond(rig);
        assert_eq!(seen(&captchas, 1).await.as_deref(), Some("one"));
        assert_eq!(taken(&captchas, 2).await.as_deref(), Some("two"));
        rig.pass(1);
        assert_eq!((seen(&captchas, 1).await, taken(&captchas, 1).await), (None, None));
    });
}

#[test]
fn a_full_store_takes_no_new_picture_says_for_how_long_and_keeps_those_that_it_has() {
    on_both(async |rig| {
        let (captchas, ttl) = (rig.captchas(RULES), millis(RULES.ttl));
        for number in 1..=3 {
            assert!(kept(&captchas, number, "early").await);
            rig.pass(1000);
        }

        assert_eq!(full(&captchas, 4).await, Some(ttl - 3000));
        assert_eq!(seen(&captchas, 4).await, None);
        // One that is drawn again needs no room of its own, and now runs out last.
        assert!(kept(&captchas, 1, "again").await);
        assert_eq!(full(&captchas, 4).await, Some(ttl - 2000));
        assert_eq!(taken(&captchas, 2).await.as_deref(), Some("early"));
        assert_eq!(full(&captchas, 4).await, None, "a picture that was answered has left its place");
        assert_eq!(full(&captchas, 5).await, Some(ttl - 1000));
        assert_eq!(taken(&captchas, 1).await.as_deref(), Some("again"));
    });
}

#[test]
fn what_has_run_out_takes_no_room() {
    on_both(async |rig| {
        let captchas = rig.captchas(RULES);
        for number in 1..=3 {
            assert!(kept(&captchas, number, "old").await);
        }

        pass_to_the_last_millisecond(rig);
        assert_eq!(full(&captchas, 4).await, Some(1));
        rig.pass(1);

        for number in 4..=6 {
            assert!(kept(&captchas, number, "new").await, "{number}");
        }
        assert_eq!(full(&captchas, 7).await, Some(millis(RULES.ttl)));
    });
}

#[test]
fn of_a_hundred_new_pictures_at_once_as_many_are_kept_as_there_is_room_for() {
    on_both(async |rig| {
        let captchas = rig.captchas(RULES);

        let answers = at_once(100, |index| {
            let captchas = captchas.clone();
            async move { kept(&captchas, index as u128, "text").await }
        });

        assert_eq!(answers.await.into_iter().filter(|kept| *kept).count(), 3);
    });
}
