//! The page a browser sees: is let in with a link, shows projects and their messages.
//!
//! Static files, embedded. They hold no data, so they answer without a credential.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::core::Core;

struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

static FILES: [File; 4] = [
    File {
        path: "/",
        kind: "text/html; charset=utf-8",
        content: include_str!("../page/index.html"),
    },
    File {
        path: "/app.js",
        kind: "text/javascript; charset=utf-8",
        content: include_str!("../page/app.js"),
    },
    File {
        path: "/key.js",
        kind: "text/javascript; charset=utf-8",
        content: include_str!("../page/key.js"),
    },
    File {
        path: "/app.css",
        kind: "text/css; charset=utf-8",
        content: include_str!("../page/app.css"),
    },
];

/// Nothing from elsewhere, nothing inline, not inside another page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

/// Whether this path is one of the embedded files.
pub(crate) fn is_page(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

pub(crate) fn routes() -> Router<Arc<Core>> {
    FILES.iter().fold(Router::new(), |router, file| {
        router.route(file.path, get(move || async move { serve(file) }))
    })
}

fn serve(file: &'static File) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, file.kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.content)
}
