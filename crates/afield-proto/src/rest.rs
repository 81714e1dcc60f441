//! REST: which request each route under `/api/v1` makes.
//!
//! A route is nothing but another spelling of a request: path parameters, query and JSON body
//! together are its `data`, its reply is the body. The OpenAPI document is generated from this
//! table and the schemas of the requests.

use crate::device::Scope;

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// The path, its parameters in braces named like the fields of the request.
    pub path: &'static str,
    /// The request it makes.
    pub request: &'static str,
}

const fn route(method: &'static str, path: &'static str, request: &'static str) -> Route {
    Route { method, path, request }
}

/// Every route.
pub const ROUTES: &[Route] = &[
    route("GET", "/api/v1/health", "health_check"),
    route("GET", "/api/v1/projects", "project_list"),
    route("POST", "/api/v1/projects", "project_create"),
    route("GET", "/api/v1/projects/{project_id}", "project_get"),
    route("PATCH", "/api/v1/projects/{project_id}", "project_update"),
    route("DELETE", "/api/v1/projects/{project_id}", "project_delete"),
    route("POST", "/api/v1/projects/{project_id}/execute", "execute"),
    route("POST", "/api/v1/projects/{project_id}/kill", "agent_kill"),
    route("POST", "/api/v1/projects/{project_id}/interrupt", "agent_interrupt"),
    route("POST", "/api/v1/projects/{project_id}/mode", "agent_set_mode"),
    route("POST", "/api/v1/projects/{project_id}/new-session", "agent_new_session"),
    route("GET", "/api/v1/projects/{project_id}/messages", "get_messages"),
    route("GET", "/api/v1/search", "message_search"),
    route("GET", "/api/v1/commands", "command_list"),
    route("POST", "/api/v1/commands", "command_submit"),
    route("GET", "/api/v1/commands/{command_id}", "command_show"),
    route("PATCH", "/api/v1/commands/{command_id}", "command_edit"),
    route("GET", "/api/v1/commands/{command_id}/explain", "command_explain"),
    route("POST", "/api/v1/commands/{command_id}/cancel", "command_cancel"),
    route("POST", "/api/v1/commands/{command_id}/move", "command_move"),
    route("POST", "/api/v1/commands/{command_id}/resolve", "command_resolve"),
    route("POST", "/api/v1/commands/retry", "command_retry"),
    route("POST", "/api/v1/commands/purge", "command_purge"),
    route("GET", "/api/v1/holds", "hold_list"),
    route("POST", "/api/v1/holds", "command_hold"),
    route("POST", "/api/v1/holds/release", "command_release"),
    route("GET", "/api/v1/blobs/{hash}", "blob_get"),
    route("GET", "/api/v1/sessions", "session_list"),
    route("GET", "/api/v1/sessions/{session_id}", "session_get"),
    route("POST", "/api/v1/sessions/{session_id}/move", "session_move"),
    route("GET", "/api/v1/approvals", "approval_list"),
    route("POST", "/api/v1/approvals/{approval_id}/answer", "approval_answer"),
    route("GET", "/api/v1/devices", "device_list"),
    route("POST", "/api/v1/devices", "device_create"),
    route("DELETE", "/api/v1/devices/{device_id}", "device_revoke"),
    route("POST", "/api/v1/devices/revoke-others", "device_revoke_others"),
    route("POST", "/api/v1/devices/{device_id}/forget", "device_forget"),
    route("POST", "/api/v1/devices/{device_id}/scopes", "device_set_scopes"),
    route("POST", "/api/v1/devices/{device_id}/name", "device_rename"),
    route("POST", "/api/v1/devices/{device_id}/labels", "device_label"),
    route("GET", "/api/v1/pairings", "device_pair_list"),
    route("POST", "/api/v1/pairings", "device_pair_start"),
    route("GET", "/api/v1/pairings/{pairing_id}", "device_pair_status"),
    route("POST", "/api/v1/pairings/{pairing_id}/decide", "device_pair_decide"),
    route("GET", "/api/v1/audit", "audit_list"),
    route("POST", "/api/v1/audit/verify", "audit_verify"),
    route("POST", "/api/v1/links", "device_link"),
    route("GET", "/api/v1/state", "state_get"),
    route("POST", "/api/v1/state", "state_set"),
    route("GET", "/api/v1/handoff", "handoff_get"),
    route("POST", "/api/v1/devices/{to}/messages", "device_message"),
    route("POST", "/api/v1/messages", "device_message"),
    route("POST", "/api/v1/messages/all", "device_broadcast"),
    route("GET", "/api/v1/presence", "device_presence"),
    route("GET", "/api/v1/push/key", "push_key"),
    route("POST", "/api/v1/push/subscription", "push_subscribe"),
    route("DELETE", "/api/v1/push/subscription", "push_unsubscribe"),
    route("GET", "/api/v1/push/settings", "push_settings"),
    route("PATCH", "/api/v1/push/settings", "push_settings"),
    route("POST", "/api/v1/push/test", "push_test"),
    route("GET", "/api/v1/push/log", "push_log"),
    route("GET", "/api/v1/runners", "runner_list"),
];

/// A route that carries bytes, which are no `data` of a request and too large for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BytesRoute {
    /// `GET` gives bytes, `POST` takes them.
    pub method: &'static str,
    /// The path, as in [`Route`].
    pub path: &'static str,
    /// What it does, in one word.
    pub name: &'static str,
    /// The same for people.
    pub description: &'static str,
    /// What a device must be allowed to use it.
    pub needs: Scope,
}

/// Every route that carries bytes.
pub const BYTES_ROUTES: &[BytesRoute] = &[
    BytesRoute {
        method: "POST",
        path: "/api/v1/blobs",
        name: "blob_put",
        description: "Keeps the bytes of an attachment; the same bytes are kept once.",
        needs: Scope::Prompt,
    },
    BytesRoute {
        method: "GET",
        path: "/api/v1/blobs/{hash}/bytes",
        name: "blob_bytes",
        description: "The bytes of an attachment, never as something a browser runs.",
        needs: Scope::View,
    },
];

/// Fields that are numbers when they come in a query.
pub const NUMBER_FIELDS: [&str; 4] = ["limit", "after", "before", "number"];
/// Fields that are true or false when they come in a query.
pub const BOOL_FIELDS: [&str; 2] = ["all", "waiting"];
/// Fields that are lists, with commas between, when they come in a query.
pub const LIST_FIELDS: [&str; 1] = ["project_ids"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;

    #[test]
    fn every_route_makes_a_known_request_and_no_two_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES {
            assert!(Request::NAMES.contains(&route.request), "{}", route.request);
            assert!(seen.insert((route.method, route.path)), "{} {}", route.method, route.path);
        }
        for route in BYTES_ROUTES {
            assert!(seen.insert((route.method, route.path)), "{} {}", route.method, route.path);
        }
    }
}
