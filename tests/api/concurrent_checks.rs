//! Many checks of one code at once: a right one succeeds once, and no number of wrong ones buys a sixth guess.

use futures::future::join_all;
use postrider_tests::{
    api::{Answer, Api, ApiSetup},
    provider::Provider,
    servers::Proc,
    worker::Setup,
};
use serde_json::json;

use super::{NUMBER, SOON, assert_problem, check_number, look, wrong};

/// Two apis on one Redis, and a code that was sent.
struct Sent {
    _provider: Provider,
    setup: Setup,
    worker: Proc,
    apis: [Api; 2],
    id: String,
    code: String,
}

async fn sent(test: &str) -> Sent {
    let provider = Provider::start().await;
    let setup = Setup::new(test).provider(&provider);
    let worker = setup.start().await;
    let apis = [ApiSetup::new(&setup).start().await, ApiSetup::new(&setup).start().await];
    let id = apis[0].create(NUMBER).await.id().to_owned();
    let code = provider.wait_for(1, SOON).await[0].code.clone();
    Sent { _provider: provider, setup, worker, apis, id, code }
}

impl Sent {
    /// Checks that many guesses at once, of both apis in turn.
    async fn check_all(&self, guesses: impl Iterator<Item = String>) -> Vec<Answer> {
        let check = |(turn, guess): (usize, String)| async move {
            self.apis[turn % self.apis.len()].check(&self.id, &guess).await
        };
        join_all(guesses.enumerate().map(check)).await
    }

    async fn end(self) {
        for api in self.apis {
            api.finish().await;
        }
        self.setup.finish(self.worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_right_checks_at_once_one_succeeds() {
    let sent = sent("right-checks").await;

    let answers = sent.check_all((0..100).map(|_| sent.code.clone())).await;

    let (approved, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((approved.len(), refused.len()), (1, 99));
    assert_eq!((approved[0].text_of("status"), &approved[0].body["checks_left"]), ("approved", &json!(4)));
    for answer in refused {
        assert_problem("a second right check", answer, 410, "verification_consumed");
    }
    sent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_wrong_checks_at_once_five_are_compared_and_then_the_right_code_fails_too() {
    let sent = sent("wrong-checks").await;

    let answers = sent.check_all((1..=200).map(|step| wrong(&sent.code, step))).await;

    let (compared, rest): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 422);
    let mut left: Vec<u64> = Vec::new();
    for answer in compared {
        assert_problem("a wrong code", answer, 422, "code_incorrect");
        left.push(answer.body["checks_left"].as_u64().expect("a number"));
    }
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(rest.len(), 195);
    for answer in rest {
        assert_problem("a guess too many", answer, 429, "checks_exhausted");
    }
    let [api, _] = &sent.apis;
    assert_problem("the right code", &api.check(&sent.id, &sent.code).await, 429, "checks_exhausted");
    assert_problem("by the number", &check_number(api, NUMBER, &sent.code).await, 429, "checks_exhausted");
    let seen = look(api, &sent.id).await;
    assert_eq!((seen.text_of("status"), &seen.body["checks_left"]), ("locked", &json!(0)), "{}", seen.text);
    sent.end().await;
}
