//! Who may ask: apps with secret keys, of which the configuration has hashes.

use postrider_tests::{
    api::{ApiSetup, SECRET_KEY},
    provider::Provider,
    worker::Setup,
};
use serde_json::json;

use super::{NUMBER, SOON, assert_limited, assert_problem, discard, hash, post_as, redis_content};

const OTHER_KEY: &str = "prk_other_0123456789abcdefghijklmnopqrstuvwxyzAB";

#[tokio::test]
async fn whoever_shows_no_key_of_an_app_is_turned_away_and_leaves_no_trace() {
    let setup = Setup::new("no-key");
    let api = ApiSetup::new(&setup).start().await.with_key(None);
    let (key, stolen_hash) = (SECRET_KEY, hash(SECRET_KEY));
    let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
    let authorization = |value: &str| vec![("authorization", value.to_owned())];
    let variants = [
        ("none", vec![]),
        ("an empty one", authorization("")),
        ("a scheme alone", authorization("Bearer")),
        ("a scheme and nothing", bearer("")),
        ("another key", bearer(OTHER_KEY)),
        ("a key cut short", bearer(&key[..key.len() - 1])),
        ("a longer key", bearer(&format!("{key}H"))),
        ("the key in lower case", bearer(&key.to_lowercase())),
        ("the hash", bearer(&stolen_hash)),
        ("the bare hash", bearer(stolen_hash.trim_start_matches("sha256:"))),
        ("no scheme", authorization(key)),
        ("another scheme", authorization(&format!("Basic {key}"))),
        ("two tokens", bearer(&format!("{key} {key}"))),
        ("a list", bearer(&format!("{key}, Bearer {key}"))),
        ("two headers", [bearer(key), bearer(key)].concat()),
        ("another header", vec![("x-api-key", key.to_owned())]),
    ];
    let routes = [
        ("POST", "/v1/verifications"),
        ("POST", "/v1/checks"),
        ("POST", "/v1/verifications/vrf_00000000000000000000000000000000/check"),
        ("GET", "/v1/verifications/vrf_00000000000000000000000000000000"),
    ];

    for (what, headers) in variants {
        for (method, path) in routes {
            let answer = api
                .request(method, path, |request| {
                    let body = json!({"to": NUMBER, "purpose": "login"});
                    headers
                        .iter()
                        .fold(request.json(&body), |request, (name, value)| request.header(*name, value))
                })
                .await;
            assert_problem(what, &answer, 401, "unauthenticated");
            assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="postrider""#, "{what}");
            assert!(!answer.text.contains(key), "{what}: {}", answer.text);
        }
    }
    // What a key would be asked for is not looked at before the key: a large body is no different.
    let path = format!("/v1/verifications?access_token={key}");
    let in_query = api.post_raw(&path, Some("application/json"), vec![b' '; 64 * 1024]).await;
    assert_problem("a key in the query", &in_query, 401, "unauthenticated");

    assert!(redis_content(&setup).await.is_empty());
    let log = api.finish().await;
    assert!(!log.contains(key) && !log.contains("prk_"), "{log}");
    assert_eq!(discard(&setup).await, 0);
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let setup = Setup::new("scheme");
    let api = ApiSetup::new(&setup).start().await.with_key(None);

    for (index, scheme) in ["bearer", "BEARER", "Bearer"].into_iter().enumerate() {
        let body = json!({"to": format!("+8613900000{index:03}")});
        let answer = api
            .request("POST", "/v1/verifications", |request| {
                request.header("authorization", format!("{scheme} {SECRET_KEY}")).json(&body)
            })
            .await;
        assert_eq!(answer.status, 201, "{scheme}: {}", answer.text);
    }

    api.finish().await;
    assert_eq!(discard(&setup).await, 3);
}

#[tokio::test]
async fn an_app_does_not_find_another_apps_verifications_and_shares_the_limits_of_a_number() {
    let provider = Provider::start().await;
    let setup = Setup::new("two-apps").provider(&provider);
    let worker = setup.start().await;
    let other = format!("name = \"other\"\nsecret_key_hashes = [\"{}\"]", hash(OTHER_KEY));
    let api = ApiSetup::new(&setup).app(&other).start().await.with_key(None);
    let body = json!({"to": NUMBER, "purpose": "login"});
    let created = post_as(&api, SECRET_KEY, "/v1/verifications", &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let code = provider.wait_for(1, SOON).await[0].code.clone();
    let path = format!("/v1/verifications/{}", created.id());
    let by_number = json!({"to": NUMBER, "purpose": "login", "code": code});

    let seen = api.request("GET", &path, |request| request.bearer_auth(OTHER_KEY)).await;
    let checked = post_as(&api, OTHER_KEY, &format!("{path}/check"), &json!({"code": code})).await;
    let checked_by_number = post_as(&api, OTHER_KEY, "/v1/checks", &by_number).await;
    let asked = post_as(&api, OTHER_KEY, "/v1/verifications", &body).await;

    for answer in [&seen, &checked, &checked_by_number] {
        assert_problem("another app's", answer, 404, "verification_not_found");
    }
    assert_limited("one phone, two apps", &asked, "cooldown_active", 60);
    let approved = post_as(&api, SECRET_KEY, "/v1/checks", &by_number).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    assert_eq!(approved.body["checks_left"], 4, "another app's guesses cost none: {}", approved.text);
    api.finish().await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn two_keys_of_an_app_serve_while_they_are_exchanged() {
    let setup = Setup::new("rotated");
    let both =
        format!("name = \"shop\"\nsecret_key_hashes = [\"{}\", \"{}\"]", hash(SECRET_KEY), hash(OTHER_KEY));
    let api = ApiSetup::new(&setup).open().app(&both).start().await.with_key(None);

    let created = post_as(&api, SECRET_KEY, "/v1/verifications", &json!({"to": NUMBER})).await;
    let path = format!("/v1/verifications/{}", created.id());
    let seen = api.request("GET", &path, |request| request.bearer_auth(OTHER_KEY)).await;
    api.finish().await;

    assert_eq!((created.status, seen.status), (201, 200), "{}", created.text);
    let new = format!("name = \"shop\"\nsecret_key_hashes = [\"{}\"]", hash(OTHER_KEY));
    let api = ApiSetup::new(&setup).open().app(&new).start().await.with_key(None);
    let with_old = api.request("GET", &path, |request| request.bearer_auth(SECRET_KEY)).await;
    let with_new = api.request("GET", &path, |request| request.bearer_auth(OTHER_KEY)).await;
    assert_problem("the old key", &with_old, 401, "unauthenticated");
    assert_eq!(with_new.status, 200);
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}
