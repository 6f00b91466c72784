//! A store or a queue that is down: RETCODE 5000, and nothing is sent without a word.

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use postrider_tests::{
    api::ApiSetup,
    servers::{Redis, eventually},
    worker::Setup,
};
use uuid::Uuid;

use super::{
    super::{SOON, assert_problem, discard, redis_content},
    MOBILE,
};

#[tokio::test]
async fn without_a_queue_nothing_is_sent_and_the_number_may_ask_again_with_another_picture() {
    let setup = Setup::new("shop-no-queue");
    let api = ApiSetup::new(&setup).shop().start().await;
    let (picture, text) = setup.picture(&api).await;
    let channel = setup.amqp().await.channel().await;
    channel.queue_delete(setup.queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();

    let refused = api.send_sms_code(MOBILE, picture, &text).await;

    assert_eq!(refused.retcode(), "5000");
    assert_eq!(refused.text_of("errmsg"), "短信服务暂时不可用，短信未发送，请稍后再试");
    let left = redis_content(&setup).await;
    // The count of the address's pictures is all that stays.
    assert!(left.len() == 1 && left.keys().all(|key| key.contains(":throttle:")), "{left:?}");
    let granted = eventually(SOON, async || {
        let (picture, text) = setup.picture(&api).await;
        let answer = api.send_sms_code(MOBILE, picture, &text).await;
        assert!(["0", "5000"].contains(&answer.retcode()), "{}", answer.text);
        answer.retcode() == "0"
    })
    .await;
    assert!(granted, "{}", api.process.log());
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn where_it_is_not_known_whether_the_task_is_queued_the_sms_is_said_to_be_possible() {
    let setup = Setup::new("shop-unknown");
    let api = ApiSetup::new(&setup).shop().start().await;
    let (picture, text) = setup.picture(&api).await;
    let channel = setup.amqp().await.channel().await;
    channel.exchange_delete(setup.queue.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();

    let unknown = api.send_sms_code(MOBILE, picture, &text).await;

    assert_eq!(unknown.retcode(), "5000");
    assert!(unknown.text_of("errmsg").starts_with("短信可能已经发出"), "{}", unknown.text);
    let (picture, text) = setup.picture(&api).await;
    assert_eq!(api.send_sms_code(MOBILE, picture, &text).await.retcode(), "4002", "the window is kept");
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn without_a_store_there_are_no_pictures_and_all_else_is_5000() {
    let mut redis = Redis::start().await;
    let setup = Setup::new("shop-no-store").redis(&redis.url());
    let api = ApiSetup::new(&setup).shop().start().await;
    let (picture, text) = setup.picture(&api).await;

    redis.stop().await;

    assert_problem("a picture", &api.draw(Uuid::new_v4()).await, 503, "store_unavailable");
    let sound = api.get(&format!("/image_codes/{picture}/audio/")).await;
    assert_problem("its sound", &sound, 503, "store_unavailable");
    for answer in
        [api.send_sms_code(MOBILE, picture, &text).await, api.check_sms_code(MOBILE, "123456").await]
    {
        assert_eq!((answer.retcode(), answer.text_of("errmsg")), ("5000", "服务暂时不可用，请稍后再试"));
    }
    api.finish().await;
    assert_eq!(discard(&setup).await, 0);
}
