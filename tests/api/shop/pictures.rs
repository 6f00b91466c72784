//! The pictures: drawn, drawn anew, spoken, and no more of them than there is room for.

use postrider_tests::{
    api::{Api, ApiSetup},
    worker::Setup,
};
use uuid::Uuid;

use super::{
    super::{assert_problem, discard, redis_content},
    MOBILE, misread,
};

/// The bytes at a path, and what they are called.
async fn download(api: &Api, path: &str) -> (String, Vec<u8>) {
    let response = reqwest::get(format!("http://{}{path}", api.address)).await.expect("the api answers");
    let header = |name: &str| response.headers()[name].to_str().expect("ASCII").to_owned();
    assert_eq!((response.status().as_u16(), &*header("cache-control")), (200, "no-store"));
    let kind = header("content-type");
    (kind, response.bytes().await.expect("the answer has an end").into())
}

#[tokio::test]
async fn a_picture_is_a_png_and_its_sound_a_wav_with_and_without_the_last_slash() {
    let setup = Setup::new("png");
    let api = ApiSetup::new(&setup).shop().start().await;
    let id = Uuid::new_v4();

    for path in [format!("/image_codes/{id}/"), format!("/image_codes/{id}")] {
        let (kind, png) = download(&api, &path).await;
        assert_eq!(
            (&*kind, &png[..8], &png[png.len() - 8..png.len() - 4]),
            ("image/png", &b"\x89PNG\r\n\x1a\n"[..], &b"IEND"[..])
        );
    }
    let shown = setup.shown(id).await;
    for path in [format!("/image_codes/{id}/audio/"), format!("/image_codes/{id}/audio")] {
        let (kind, wav) = download(&api, &path).await;
        let length = u32::try_from(wav.len()).unwrap();
        assert_eq!((&*kind, &wav[..4], &wav[8..12]), ("audio/wav", &b"RIFF"[..], &b"WAVE"[..]));
        assert_eq!(wav[4..8], (length - 8).to_le_bytes(), "one file and not several in a row");
    }

    assert_eq!(setup.shown(id).await, shown, "to hear a picture uses nothing up");
    assert_eq!(api.send_sms_code(MOBILE, id, &shown.unwrap()).await.retcode(), "0");
    assert_problem("answered", &api.get(&format!("/image_codes/{id}/audio/")).await, 404, "not_found");
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn a_picture_that_is_drawn_again_shows_another_text_which_counts() {
    let setup = Setup::new("redrawn");
    let api = ApiSetup::new(&setup).shop().start().await;
    let (id, first) = setup.picture(&api).await;

    api.draw(id).await;
    let second = setup.shown(id).await.unwrap();

    assert_ne!(first, second);
    assert_eq!(redis_content(&setup).await.keys().filter(|key| key.contains(":captcha:")).count(), 1);
    assert_eq!(api.send_sms_code(MOBILE, id, &first).await.retcode(), "4001");
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn what_is_no_id_is_not_found_and_only_a_get_draws_or_sends() {
    let setup = Setup::new("methods");
    let api = ApiSetup::new(&setup).shop().start().await;
    let (id, text) = setup.picture(&api).await;
    let before = redis_content(&setup).await;

    for path in [
        "/image_codes/1/",
        "/image_codes//",
        "/image_codes/nonsense/audio/",
        "/sms_codes/",
        "/sms_codes/1/x/",
    ] {
        assert_problem(path, &api.get(path).await, 404, "not_found");
    }
    let send = format!("/sms_codes/{MOBILE}/?uuid={id}&image_code={text}");
    for path in [format!("/image_codes/{id}/"), format!("/image_codes/{id}/audio/"), send] {
        for method in ["HEAD", "POST", "PUT", "DELETE"] {
            let refused = api.request(method, &path, |request| request).await;
            assert_eq!((refused.status, &*refused.headers["allow"]), (405, "GET"), "{method} {path}");
        }
    }

    assert_eq!(redis_content(&setup).await, before, "nothing was drawn and nothing sent");
    api.finish().await;
    assert_eq!(discard(&setup).await, 0);
}

#[tokio::test]
async fn when_as_many_wait_as_may_a_new_one_is_refused_and_the_others_are_still_good() {
    let setup = Setup::new("full-store");
    let api = ApiSetup::new(&setup).shop().set("shop.max_captchas", "2").start().await;
    let (first, text) = setup.picture(&api).await;
    let (second, _) = setup.picture(&api).await;

    let refused = api.draw(Uuid::new_v4()).await;

    assert_problem("the third", &refused, 503, "captchas_full");
    assert!((1..=120).contains(&refused.wait()), "{refused:?}");
    assert_eq!(api.draw(second).await.status, 200, "one that is drawn again needs no room");
    assert_eq!(api.send_sms_code(MOBILE, first, &text).await.retcode(), "0");
    assert_eq!(api.draw(Uuid::new_v4()).await.status, 200, "the answered one has left its place");
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn one_address_does_not_get_all_the_room() {
    let setup = Setup::new("captcha-ip");
    let api = ApiSetup::new(&setup)
        .shop()
        .set("shop.captcha_ip", r#"[{ window = "1h", max = 2 }]"#)
        .set("http.trusted_proxies", r#"["127.0.0.1"]"#)
        .start()
        .await;
    let draw = async |id: Uuid, from: &str| {
        let path = format!("/image_codes/{id}/");
        api.request("GET", &path, |request| request.header("x-forwarded-for", from)).await
    };
    let id = Uuid::new_v4();

    assert_eq!(draw(id, "203.0.113.7").await.status, 200);
    let path = format!("/image_codes/{id}/audio/");
    let hear =
        async || api.request("GET", &path, |request| request.header("x-forwarded-for", "203.0.113.7")).await;
    assert_eq!(hear().await.status, 200);
    assert_problem("heard again", &hear().await, 429, "captcha_limit_reached");
    let refused = draw(Uuid::new_v4(), "203.0.113.7").await;
    let elsewhere = draw(Uuid::new_v4(), "203.0.113.8").await;

    assert_problem("another", &refused, 429, "captcha_limit_reached");
    assert!((1..=3600).contains(&refused.wait()), "{refused:?}");
    assert_eq!(elsewhere.status, 200, "{}", elsewhere.text);
    let shown = setup.shown(id).await.unwrap();
    assert_eq!(api.send_sms_code(MOBILE, id, &misread(&shown)).await.retcode(), "4001");
    api.finish().await;
    discard(&setup).await;
}
