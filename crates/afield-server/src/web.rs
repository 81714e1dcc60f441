//! The web app: files built from `web/`, part of this binary, served to browsers.
//!
//! They hold no data, so they answer without a credential. Debug builds read `web/dist` as it is at
//! the time; release builds carry it. Without it, the page says how to build it.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::core::Core;
use crate::http::Refused;

// `Built`: the files of `web/dist`. Made by `build.rs`, which knows where that is.
include!(concat!(env!("OUT_DIR"), "/built.rs"));

/// Files whose names carry a hash of their content.
const HASHED: &str = "/assets/";
/// The other files beside the page itself.
const FILES: [&str; 8] = [
    "/sw.js",
    "/manifest.webmanifest",
    "/icon.svg",
    "/icon-maskable.svg",
    "/icon-180.png",
    "/icon-192.png",
    "/icon-512.png",
    "/icon-maskable-512.png",
];
/// The page itself; which screen it shows is its own matter.
const INDEX: &str = "/index.html";
/// First parts of the addresses of screens, shared with the app's router.
static SECTIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let list = include_str!("../../../web/src/shell/sections.json");
    serde_json::from_str(list).expect("the list of sections is a JSON array of texts")
});

/// Nothing from elsewhere, nothing inline, not inside another page. Markup is only made by the
/// named policies: the framework's own, the sanitiser's, and that of the service worker's address.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html dompurify afield-worker";

/// What a browser sees when the app was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Afield</title><h1>The web app is not part of this build</h1>\
    <p>Run <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, then build Afield \
    again (<code>make build</code> does both). The command line works without it.</p></html>";

/// Whether this path belongs to the app.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with(HASHED) || FILES.contains(&path) || is_screen(path)
}

fn is_screen(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    SECTIONS.iter().any(|section| section == first)
}

pub(crate) fn routes() -> Router<Arc<Core>> {
    let screens = SECTIONS.iter().fold(Router::new(), |router, section| {
        router
            .route(&format!("/{section}"), get(index))
            .route(&format!("/{section}/{{*rest}}"), get(index))
    });
    let files = FILES.iter().fold(screens, |router, path| router.route(path, get(file)));
    files.route("/", get(index)).route("/assets/{file}", get(file))
}

async fn index(headers: HeaderMap) -> Response {
    find(INDEX, &headers).unwrap_or_else(|| {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        respond(INDEX, html, Cow::Borrowed(NOT_BUILT.as_bytes()))
    })
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let missing = || Refused(crate::error::not_found("file")).into_response();
    find(uri.path(), &headers).unwrap_or_else(missing)
}

/// The file as the browser takes it: compressed beforehand, where both sides can.
fn find(path: &str, headers: &HeaderMap) -> Option<Response> {
    let name = path.trim_start_matches('/');
    let kind = content_type(name);
    if accepts_gzip(headers)
        && let Some(packed) = Built::get(&format!("{name}.gz"))
    {
        let mut response = respond(path, kind, packed.data);
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        return Some(response);
    }
    Built::get(name).map(|plain| respond(path, kind, plain.data))
}

fn respond(path: &str, kind: HeaderValue, content: Cow<'static, [u8]>) -> Response {
    let caching = match path.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    let body = match content {
        Cow::Borrowed(part_of_binary) => Body::from(part_of_binary),
        Cow::Owned(read) => Body::from(read),
    };
    (StatusCode::OK, headers, body).into_response()
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    })
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        name.trim() == "gzip" && !matches!(weight, Some(Ok(0.0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_app_is_public() {
        for path in ["/", "/projects", "/projects/1", "/needs-me", "/sw.js", "/a", "/assets/a-1.js"]
        {
            assert!(is_page(path), "{path}");
        }
        for path in ["/api/v1/projects", "/ws", "/metrics", "/projectsx", "/index.html", "/b/sw.js"]
        {
            assert!(!is_page(path), "{path}");
        }
    }

    #[test]
    fn names_with_a_hash_are_kept_for_ever_and_the_page_never() {
        let caching = |path: &str| {
            let response = respond(path, content_type(path), Cow::Borrowed(b""));
            response.headers()[header::CACHE_CONTROL].to_str().map(str::to_owned).unwrap()
        };
        assert_eq!(caching("/assets/index-1.js"), "public, max-age=31536000, immutable");
        for path in [INDEX, "/sw.js"] {
            assert_eq!(caching(path), "no-cache");
        }
    }

    #[test]
    fn compressed_files_go_to_those_who_take_them() {
        let accepts = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            accepts_gzip(&headers)
        };
        assert!(accepts("gzip") && accepts("br, gzip;q=0.8"));
        assert!(!accepts("br") && !accepts("gzip;q=0") && !accepts_gzip(&HeaderMap::new()));
    }
}
