//! How the files of the page are served.

use postrider_tests::{api::ApiSetup, worker::Setup};

use super::shop::Shop;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[tokio::test]
async fn every_file_has_its_type_and_its_tag_and_forbids_what_the_page_does_not_do() {
    let shop = Shop::in_memory().await;

    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/page.js", "text/javascript; charset=utf-8"),
        ("/page/texts.js", "text/javascript; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let answer = shop.api.get(path).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, kind), "{path}");
        assert_eq!(answer.headers["content-security-policy"], POLICY, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(answer.headers["cache-control"], "no-cache", "{path}");

        let head = shop.api.request("HEAD", path, |request| request).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        assert_eq!(head.headers["content-length"], answer.text.len().to_string(), "{path}");
        let refused = shop.api.post_raw(path, None, "").await;
        assert_eq!((refused.status, refused.headers["allow"].as_str()), (405, "GET, HEAD"), "{path}");
    }

    // A browser that has a file is not sent it again.
    let tag = shop.api.get("/page/page.js").await.headers["etag"].clone();
    assert_ne!(shop.api.get("/page/page.css").await.headers["etag"], tag);

    for (known, status) in [
        (tag.clone(), 304),
        (format!("\"other\", W/{tag}"), 304),
        ("\"other\"".into(), 200),
        ("?".into(), 200),
    ] {
        let answer =
            shop.api.request("GET", "/page/page.js", |request| request.header("if-none-match", &known)).await;
        assert_eq!((answer.status, answer.text.is_empty()), (status, status == 304), "{known}");
        assert_eq!(answer.headers["etag"], tag, "{known}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn where_the_shop_is_off_there_is_no_page() {
    let setup = Setup::new("no-page");
    let api = ApiSetup::new(&setup).start().await;

    for path in ["/", "/page/page.js"] {
        assert_eq!((api.get(path).await.status, api.get(path).await.code()), (404, "not_found"), "{path}");
    }
    api.finish().await;
    setup.clean_up().await;
}
