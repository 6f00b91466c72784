//! What `key generate` prints, and the files and credentials that it goes into.

use std::{fs, path::PathBuf};

use postrider_tests::{
    api::{Api, ApiSetup},
    provider::Provider,
    worker::Setup,
};

use super::{NUMBER, SOON, assert_limited, assert_problem, check_number, discard, wrong};

/// What a command prints on a good end.
async fn printed(setup: &Setup, args: &[&str]) -> String {
    let output = ApiSetup::new(setup).command(args, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.text);
    output.text
}

/// A fresh key file.
async fn generated(setup: &Setup, kind: &str, name: &str) -> PathBuf {
    let line = printed(setup, &["key", "generate", "--kind", kind]).await;
    let path = setup.path(name);
    fs::write(&path, line).expect("the temp folder is writable");
    path
}

#[tokio::test]
async fn a_generated_secret_key_works_once_its_hash_is_pasted_into_the_configuration() {
    let setup = Setup::new("generated");
    let text = printed(&setup, &["key", "generate"]).await;
    let key = text.lines().find(|line| line.starts_with("prk_")).expect("a line is the key");
    let hashes =
        text.lines().find(|line| line.starts_with("secret_key_hashes = ")).expect("a line is the hash");
    let again = printed(&setup, &["key", "generate"]).await;

    let app = format!("name = \"shop\"\n{hashes}");
    let api = ApiSetup::new(&setup).open().app(&app).start().await.with_key(Some(key));
    let created = api.create(NUMBER).await;

    assert_eq!(created.status, 201, "{}", created.text);
    assert!(!hashes.contains(key) && !again.contains(key), "{text}");
    let other = again.lines().find(|line| line.starts_with("prk_")).unwrap().to_owned();
    let api = api.with_key(Some(&other));
    assert_problem("a key of no app", &api.create(NUMBER).await, 401, "unauthenticated");
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

/// Sends a code and checks it.
async fn assert_works(api: &Api, provider: &Provider) {
    let created = api.create(NUMBER).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let code = provider.wait_for(1, SOON).await[0].code.clone();
    assert_eq!(api.check(created.id(), &code).await.status, 200);
}

#[tokio::test]
async fn generated_pepper_and_seal_files_work_for_api_and_worker() {
    let provider = Provider::start().await;
    let setup = Setup::new("files").provider(&provider);
    let pepper = generated(&setup, "pepper", "new-pepper").await;
    let seal = generated(&setup, "seal", "new-seal").await;
    let setup = setup.text("keys.seal_file", &seal.to_string_lossy());
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup)
        .text("keys.pepper_file", &pepper.to_string_lossy())
        .text("keys.seal_file", &seal.to_string_lossy())
        .start()
        .await;

    assert_works(&api, &provider).await;

    api.finish().await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn pepper_and_seal_are_read_from_systemds_credentials() {
    let provider = Provider::start().await;
    let setup = Setup::new("credentials").provider(&provider);
    let worker = setup.start().await;
    let folder = setup.path("credentials");
    fs::create_dir(&folder).unwrap();
    let pepper = generated(&setup, "pepper", "credentials/pepper").await;
    fs::copy(setup.path("seal"), folder.join("seal")).unwrap();
    let without_files = ApiSetup::new(&setup).without("keys.pepper_file").without("keys.seal_file");
    let env = [("CREDENTIALS_DIRECTORY", &*folder.to_string_lossy())];

    let api = Api::of(without_files.spawn_with(&[], &env), Some(postrider_tests::api::SECRET_KEY)).await;
    assert!(api.becomes_ready(SOON).await);
    assert_works(&api, &provider).await;
    api.finish().await;
    setup.finish(worker).await;

    fs::remove_file(pepper).unwrap();
    let refused = without_files.command(&[], &env).await;
    assert_eq!(refused.status.code(), Some(78), "{}", refused.text);
    assert!(refused.text.contains("keys.pepper_file"), "{}", refused.text);
}

#[tokio::test]
async fn codes_and_limits_of_the_old_pepper_hold_behind_a_new_one() {
    let provider = Provider::start().await;
    let setup = Setup::new("old-pepper").provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).start().await;
    let created = api.create(NUMBER).await;
    let code = provider.wait_for(1, SOON).await[0].code.clone();
    api.finish().await;

    let old = fs::read_to_string(setup.path("pepper")).unwrap();
    let new = generated(&setup, "pepper", "new-pepper").await;
    let line = fs::read_to_string(&new).unwrap();
    fs::write(&new, format!("{line}\n{old}\n")).unwrap();
    let api = ApiSetup::new(&setup).text("keys.pepper_file", &new.to_string_lossy()).start().await;

    assert_limited("the old window", &api.create(NUMBER).await, "cooldown_active", 60);
    let refused = check_number(&api, NUMBER, &wrong(&code, 1)).await;
    assert_problem("a wrong code", &refused, 422, "code_incorrect");
    let approved = check_number(&api, NUMBER, &code).await;
    assert_eq!((approved.status, approved.id()), (200, created.id()), "{}", approved.text);
    api.finish().await;
    setup.finish(worker).await;
}
