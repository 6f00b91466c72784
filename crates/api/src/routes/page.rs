//! The page at `/`, on which a reader types a number, a picture's characters and the code of the SMS.
//!
//! Its files lie in `page/` beside the sources and are compiled in: nothing else has to be deployed, and what is served
//! is of one version. Browsers ask each time whether a file is still the same, so that an upgrade is seen at once. The
//! page may load nothing from elsewhere and be put into no other page's frame.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETag, EntityTag, Header as _, IfNoneMatch, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest as _, Sha256};

use super::{get_or_head, not_found};

/// Forbids everything that the page does not do. Its forms are sent by its script, never by the browser.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The files, with the paths at which they are served.
static FILES: [File; 10] = [
    File { path: "/", kind: HTML, text: include_str!("../../page/index.html") },
    File { path: "/page/page.css", kind: CSS, text: include_str!("../../page/page.css") },
    File { path: "/page/icon.svg", kind: SVG, text: include_str!("../../page/icon.svg") },
    File { path: "/page/page.js", kind: SCRIPT, text: include_str!("../../page/page.js") },
    File { path: "/page/countdown.js", kind: SCRIPT, text: include_str!("../../page/countdown.js") },
    File { path: "/page/fields.js", kind: SCRIPT, text: include_str!("../../page/fields.js") },
    File { path: "/page/language.js", kind: SCRIPT, text: include_str!("../../page/language.js") },
    File { path: "/page/requests.js", kind: SCRIPT, text: include_str!("../../page/requests.js") },
    File { path: "/page/storage.js", kind: SCRIPT, text: include_str!("../../page/storage.js") },
    File { path: "/page/texts.js", kind: SCRIPT, text: include_str!("../../page/texts.js") },
];

struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

/// Adds the page and all that it loads.
pub(super) fn configure(config: &mut ServiceConfig) {
    for file in &FILES {
        let tag = file.tag();
        let answer = move |request: HttpRequest| {
            let response = file.answer(&request, &tag);
            async move { response }
        };
        config.service(
            web::resource(file.path)
                .route(get_or_head().to(answer))
                .default_service(web::to(not_found::only_get)),
        );
    }
}

impl File {
    fn tag(&self) -> EntityTag {
        EntityTag::new_strong(hex::encode(&Sha256::digest(self.text)[..12]))
    }

    fn answer(&self, request: &HttpRequest, tag: &EntityTag) -> HttpResponse {
        let mut response =
            if is_known(request, tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header(ETag(tag.clone()))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if is_known(request, tag) {
            response.finish()
        } else {
            response.content_type(self.kind).body(self.text)
        }
    }
}

/// Whether the browser has this very file. A proxy that compresses makes the tag a weak one.
fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_page_names_is_served() {
        let quoted = FILES.iter().flat_map(|file| file.text.split(['"', '\'']).map(move |text| (file, text)));
        let named = quoted.filter_map(|(file, text)| match text.strip_prefix("./") {
            Some(module) => Some(format!("/page/{module}")),
            None if file.kind == HTML && text.starts_with("page/") => Some(format!("/{text}")),
            None => None,
        });

        let named: Vec<String> = named.collect();

        assert!(named.len() > FILES.len(), "{named:?}");
        for path in named {
            assert!(FILES.iter().any(|file| file.path == path), "{path}");
        }
    }

    #[test]
    fn nothing_stands_in_the_page_that_its_policy_forbids() {
        let html = FILES[0].text;
        for inline in ["<style", "style=", "onclick", "onload", "<script>", "http://", "https://"] {
            assert!(!html.contains(inline), "{inline}");
        }
    }
}
