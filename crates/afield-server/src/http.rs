//! HTTP: the router, and the guard every request passes.
//!
//! The guard is outside the router: host and origin, limits, credential, in this order, for every
//! path including those that don't exist. What is public is listed in [`is_public`] and nowhere else.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use afield_proto::request::Request as Ask;
use afield_proto::rest::{BOOL_FIELDS, LIST_FIELDS, NUMBER_FIELDS, ROUTES, Route};
use afield_proto::{ErrorBody, ErrorCode, RequestId};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on, post};
use futures::FutureExt as _;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::auth::origin::Allowed;
use crate::auth::{self, RequestLine, SOCKET_PATH};
use crate::bodies::Within;
use crate::core::Core;
use crate::error::{internal, invalid};
use crate::listen::Peer;
use crate::requests::{panic_text, perform};
use crate::socket::conn::Actor;
use crate::{blobs, bodies, commands, metrics, pairing, web};

/// Header that carries the request id, both ways into the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A refusal as an HTTP response.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) ErrorBody);

impl From<ErrorBody> for Refused {
    fn from(error: ErrorBody) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(error) = self;
        metrics::refused(error.code);
        let status = StatusCode::from_u16(error.code.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&error)).into_response();
        let details = error.details.as_ref();
        let wait_ms = details.and_then(|details| details["retry_after_ms"].as_u64());
        if let Some(wait_ms) = wait_ms {
            let seconds = HeaderValue::from(wait_ms.div_ceil(1000));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if error.code == ErrorCode::RequestTimeout {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if error.code == ErrorCode::Unauthorized {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// Everything the server answers to.
pub(crate) fn router(core: Arc<Core>, allowed: Allowed) -> Router {
    let mut routes =
        Router::new()
            .route(SOCKET_PATH, get(crate::socket::upgrade::upgrade))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route(
                "/metrics",
                get(|State(core): State<Arc<Core>>| async move {
                    metrics::render(core.store.operations())
                }),
            )
            .route("/api/v1/openapi.json", get(openapi))
            .route("/api/v1/challenge", get(challenge))
            .route("/api/v1/pair", post(pair))
            .route("/api/v1/approvals/one-tap", post(one_tap))
            .merge(blobs::routes())
            .merge(web::routes());
    for route in ROUTES {
        let handler =
            |State(core): State<Arc<Core>>, request: RestRequest| rest(core, route, request);
        routes = routes.route(route.path, on(filter(route.method), handler));
    }
    let guard = Guard { core: Arc::clone(&core), allowed: Arc::new(allowed) };
    routes
        .fallback(|| async { Refused(crate::error::not_found("path")) })
        .layer(middleware::from_fn_with_state(guard, guarded))
        .with_state(core)
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "POST" => MethodFilter::POST,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

#[derive(Clone)]
struct Guard {
    core: Arc<Core>,
    allowed: Arc<Allowed>,
}

/// What answers without a credential in its headers: a sign of life without data, the page, what a
/// new device needs to be paired, and the answer from a notification, whose body holds a token made
/// for that alone (a phone may show no page in which the device's key could sign).
fn is_public(method: &Method, path: &str) -> bool {
    match path {
        "/healthz" | "/api/v1/challenge" => method == Method::GET,
        "/api/v1/pair" | "/api/v1/approvals/one-tap" => method == Method::POST,
        _ => method == Method::GET && web::is_page(path),
    }
}

async fn guarded(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let request_id = RequestId::generate();
    request.extensions_mut().insert(request_id);
    let span = tracing::debug_span!("http", %request_id, method = %request.method(), path = request.uri().path());
    let handled = AssertUnwindSafe(pass(guard, request, next)).catch_unwind();
    let outcome = handled.instrument(span).await;
    let outcome =
        outcome.unwrap_or_else(|panic| Err(Refused(internal(&panic_text(panic.as_ref())))));
    let mut response = outcome.unwrap_or_else(|Refused(mut error)| {
        error.request_id = Some(request_id);
        Refused(error).into_response()
    });
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(request_id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn pass(guard: Guard, mut request: Request, next: Next) -> Result<Response, Refused> {
    let Guard { core, allowed } = guard;
    let peer = request.extensions().get::<Peer>().cloned();
    let peer = peer.ok_or_else(|| internal(&"a request without a peer"))?;
    let address = client_address(&core, &peer, request.headers());
    allowed.check(request.method(), request.uri(), request.headers())?;
    core.throttle.request(address)?;
    if !is_public(request.method(), request.uri().path()) {
        let credential = auth::credential(request.uri().path(), request.headers());
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let line = RequestLine { method: request.method().as_str(), target };
        let actor = auth::authenticate(&core, credential.as_ref(), line, address).await?;
        request.extensions_mut().insert(actor);
    }
    Ok(next.run(request).await)
}

/// The address limits are counted for: the peer's, or behind a proxy the one it reports.
pub(crate) fn client_address(core: &Core, peer: &Peer, headers: &HeaderMap) -> IpAddr {
    let direct = peer.address.ip();
    if !core.options.behind_proxy {
        return direct;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
    let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.and_then(|address| address.trim().parse().ok()).unwrap_or(direct)
}

async fn ready(State(core): State<Arc<Core>>) -> Result<&'static str, Refused> {
    let written = core.store.probe_write(afield_proto::Timestamp::now()).await;
    written.map_err(|error| {
        tracing::warn!(%error, "not ready");
        crate::error::unavailable("the store takes no writes")
    })?;
    Ok("ready\n")
}

async fn openapi() -> Response {
    let json = include_str!("../openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// The body of a request, which came in time and within the limit of bytes.
struct Whole(Bytes);

impl FromRequest<Arc<Core>> for Whole {
    type Rejection = Refused;

    async fn from_request(request: Request, core: &Arc<Core>) -> Result<Self, Refused> {
        let limits = core.limits();
        let bytes_max = limits.message_bytes;
        let time = Within { limit: "body_timeout", time: limits.body_timeout };
        let read = bodies::whole(request.into_body(), bytes_max, time).await;
        let body = read.map_err(|unread| {
            unread.refusal(|| {
                let most = format!("{bytes_max} bytes (limit message_bytes)");
                let message = format!("the body has more than {most}");
                ErrorBody::new(ErrorCode::MessageTooLarge, message)
            })
        })?;
        Ok(Self(body))
    }
}

/// The parts of a REST request that make up the `data` of its request.
struct RestRequest {
    actor: Actor,
    request_id: RequestId,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: Bytes,
}

impl FromRequest<Arc<Core>> for RestRequest {
    type Rejection = Refused;

    async fn from_request(request: Request, core: &Arc<Core>) -> Result<Self, Refused> {
        let (mut parts, body) = request.into_parts();
        let actor = parts.extensions.remove::<Actor>();
        let request_id = parts.extensions.get::<RequestId>().copied();
        let (Some(actor), Some(request_id)) = (actor, request_id) else {
            return Err(Refused(internal(&"a REST route outside the guard")));
        };
        let path = axum::RequestPartsExt::extract::<Path<Vec<(String, String)>>>(&mut parts).await;
        let query =
            axum::RequestPartsExt::extract::<Query<Vec<(String, String)>>>(&mut parts).await;
        let Whole(body) = Whole::from_request(Request::new(body), core).await?;
        Ok(Self {
            actor,
            request_id,
            path: path.map_err(|error| invalid(error.to_string()))?.0,
            query: query.map_err(|error| invalid(error.to_string()))?.0,
            body,
        })
    }
}

impl RestRequest {
    /// **Errors**: VALIDATION_FAILED for a body that is no JSON object, or too deep.
    fn data(&self) -> Result<Box<RawValue>, ErrorBody> {
        let mut data = match self.body.as_ref() {
            b"" => Map::new(),
            body if afield_proto::wire::json_depth_exceeds(
                body,
                afield_proto::limits::JSON_DEPTH_MAX,
            ) =>
            {
                return Err(invalid("the body is nested too deep (limit json_depth)"));
            }
            body => serde_json::from_slice(body)
                .map_err(|error| invalid(format!("the body is no JSON object: {error}")))?,
        };
        data.extend(self.query.iter().map(|(name, text)| (name.clone(), query_value(name, text))));
        data.extend(self.path.iter().map(|(name, text)| (name.clone(), text.clone().into())));
        serde_json::value::to_raw_value(&data).map_err(|error| internal(&error))
    }
}

/// A query's text as the JSON its field expects. What does not fit is left for the request's own
/// check to name.
fn query_value(name: &str, text: &str) -> Value {
    if LIST_FIELDS.contains(&name) {
        return text.split(',').map(Value::from).collect();
    }
    let number = NUMBER_FIELDS.contains(&name).then(|| text.parse::<u64>().ok()).flatten();
    let truth = BOOL_FIELDS.contains(&name).then(|| text.parse::<bool>().ok()).flatten();
    number.map(Value::from).or(truth.map(Value::from)).unwrap_or_else(|| text.into())
}

async fn rest(
    core: Arc<Core>,
    route: &'static Route,
    request: RestRequest,
) -> Result<Response, Refused> {
    let data = request.data()?;
    let ask = Ask::parse(route.request, Some(&data))?;
    auth::scopes::check(&request.actor, &ask)?;
    let reply = perform(&core, &request.actor, ask, request.request_id).await?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, Body::from(String::from(Box::<str>::from(reply)))).into_response())
}

/// What a device signs to prove itself.
async fn challenge(State(core): State<Arc<Core>>) -> Response {
    axum::Json(core.key.challenge(afield_proto::Timestamp::now())).into_response()
}

/// An approval is answered from a notification.
async fn one_tap(
    State(core): State<Arc<Core>>,
    axum::Extension(peer): axum::Extension<Peer>,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Result<Response, Refused> {
    let ask = serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    let address = client_address(&core, &peer, &headers);
    Ok(axum::Json(commands::one_tap(&core, ask, address).await?).into_response())
}

/// A new device comes to be paired.
async fn pair(
    State(core): State<Arc<Core>>,
    axum::Extension(peer): axum::Extension<Peer>,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Result<Response, Refused> {
    let ask = serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    let address = client_address(&core, &peer, &headers);
    Ok(axum::Json(pairing::claim(&core, ask, address).await?).into_response())
}
