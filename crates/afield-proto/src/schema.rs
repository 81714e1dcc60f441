//! JSON Schema and TypeScript of everything on the wire, for code generation.
//!
//! Called by `cargo xtask generate`; the outputs are committed and checked for being up to date.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use ts_rs::TS as _;

use crate::fact::Fact;
use crate::request::{self, Request};
use crate::runner;
use crate::{
    ErrorBody, agent, approval, attachment, audit, command, device, fact, handoff, live, output,
    pairing, project, push, queue, repository, route, session, state, wire,
};

/// JSON Schema 2020-12 of requests, replies, facts and errors in one document.
pub fn json_schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let request = generator.subschema_for::<Request>();
    let fact = generator.subschema_for::<Fact>();
    let error = generator.subschema_for::<ErrorBody>();
    let stored = generator.subschema_for::<attachment::StoredBlob>();
    let replies: serde_json::Map<_, _> = request::reply_schemas(&mut generator)
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema.to_value()))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Afield wire protocol afield.v1",
        "request": request,
        "reply": replies,
        "fact": fact,
        "error": error,
        "stored_blob": stored,
        "$defs": generator.take_definitions(true),
    })
}

/// TypeScript declarations of the same.
pub fn typescript() -> String {
    let config = ts_rs::Config::new().with_large_int("number");
    let mut text =
        String::from("// Generated from afield-proto by `cargo xtask generate`. Do not edit.\n\n");
    macro_rules! declare {
        ($($type:ty),* $(,)?) => {$(
            text.push_str("export ");
            text.push_str(&<$type>::decl(&config));
            text.push('\n');
        )*};
    }
    declare!(
        crate::OrgId,
        crate::UserId,
        crate::DeviceId,
        crate::ProjectId,
        crate::SessionId,
        crate::CommandId,
        crate::ApprovalId,
        crate::ReplicaId,
        crate::MessageId,
        crate::PairingId,
        crate::RequestId,
        crate::Timestamp,
        crate::ErrorCode,
        ErrorBody,
        agent::AgentKind,
        agent::PermissionMode,
        agent::ExecuteOptions,
        agent::Direction,
        agent::MessageKind,
        agent::MessageFlags,
        agent::ToolRef,
        session::SessionState,
        session::SessionFacts,
        session::TokenUsage,
        session::ContextUse,
        session::McpServer,
        session::AgentSetup,
        session::TurnUsage,
        session::SessionNews,
        session::Session,
        agent::AgentMessage,
        approval::ApprovalKind,
        approval::ApprovalState,
        approval::DangerLevel,
        approval::Danger,
        approval::RuleDestination,
        approval::PermissionRule,
        approval::ApprovalAsk,
        approval::Approval,
        approval::Behavior,
        approval::Answer,
        approval::OneTap,
        attachment::Attachment,
        attachment::StoredBlob,
        queue::Priority,
        queue::SendMode,
        queue::Steer,
        queue::Failure,
        queue::RetryPolicy,
        route::RouteMode,
        route::RouteWish,
        route::Route,
        route::RouteCause,
        route::RouteDecision,
        route::RouteCandidate,
        route::RouteVerdict,
        queue::Target,
        queue::Payload,
        queue::Place,
        queue::Resolution,
        queue::WaitReason,
        queue::Waiting,
        queue::AttemptView,
        queue::Cause,
        queue::ChainStep,
        queue::ChainLink,
        queue::CommandDetail,
        queue::Hold,
        queue::BlobRef,
        command::CommandState,
        command::OutcomeKind,
        command::Outcome,
        command::CommandKind,
        command::Command,
        device::DeviceKind,
        device::Scope,
        device::CredentialKind,
        device::DeviceAbout,
        device::Device,
        pairing::PairingState,
        pairing::Claim,
        pairing::Pairing,
        audit::Audited,
        audit::AuditEntry,
        audit::AuditRecord,
        audit::AuditCheck,
        project::ProjectState,
        project::ProjectSettings,
        project::Project,
        live::Sandbox,
        live::RunnerLoad,
        live::RunnerBeat,
        live::Skew,
        runner::Attempt,
        runner::AgentFacts,
        runner::RunnerFacts,
        runner::KilledProcess,
        runner::AttemptReport,
        runner::RunnerHello,
        runner::RunnerWelcome,
        runner::Acknowledged,
        output::OutputStream,
        runner::Record,
        runner::RunnerRecords,
        runner::RunnerPartial,
        runner::RunnerExecute,
        runner::RunnerKill,
        runner::RunnerKilled,
        runner::RunnerInterrupt,
        runner::RunnerSteer,
        runner::RunnerSteered,
        runner::RunnerBlob,
        runner::RunnerBlobPart,
        runner::RunnerAnswer,
        runner::RunnerSetMode,
        runner::RunnerResolvePath,
        runner::RunnerPath,
        runner::RunnerMeasure,
        runner::RunnerHealth,
        push::PushKind,
        push::TimeOfDay,
        push::QuietHours,
        push::PushSettings,
        push::PushKeys,
        push::PushState,
        push::PushOutcome,
        push::PushDelivery,
        push::PushMessage,
        state::Hlc,
        state::DraftText,
        state::StateRegister,
        state::DevicePreference,
        state::StateVerdict,
        handoff::Focus,
        handoff::Holder,
        handoff::Handoff,
        device::Presence,
        device::DevicePresence,
        device::DeviceMessage,
        device::MessageState,
        device::MessageStatus,
        fact::SessionResetReason,
        fact::RunnerState,
        fact::HoldState,
        fact::ServerStats,
        fact::HealthStatus,
        fact::StoreHealth,
        fact::RunnerLinkHealth,
        fact::HealthCheck,
        fact::ConnectionHealth,
        fact::LostEvents,
        Fact,
        wire::CorrelationId,
        wire::HistoryMessage,
        wire::FoundMessage,
        request::Verdict,
        request::Empty,
        repository::RunnerInspect,
        repository::RunnerRepository,
        Request,
    );
    for declaration in request::declarations(&config) {
        text.push_str(&format!("export {declaration}\n"));
    }
    text.push_str("\n/** Each request with the type of its data and of its reply. */\nexport interface Requests {\n");
    for (name, data, reply) in request::reply_types(&config) {
        text.push_str(&format!("  {name}: {{ data: {data}; reply: {reply} }};\n"));
    }
    text.push_str("}\n");
    text
}

/// The OpenAPI 3.1 document of the REST routes.
pub fn openapi(version: &str) -> Value {
    let mut schema = json_schema();
    let mut definitions = schema["$defs"].take();
    let requests = definitions["Request"]["oneOf"].as_array().cloned().unwrap_or_default();
    let data_of = |name: &str| {
        let found = requests.iter().find(|one| one["properties"]["type"]["const"] == name);
        found.map_or(json!({}), |one| one["properties"]["data"].clone())
    };
    let mut paths = serde_json::Map::new();
    for route in crate::rest::ROUTES {
        let operation = operation(route, &data_of(route.request), &schema["reply"][route.request]);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation;
    }
    for route in crate::rest::BYTES_ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = bytes_operation(route);
    }
    if let Some(definitions) = definitions.as_object_mut() {
        definitions.retain(|name, _| name != "Request" && name != "Fact");
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Afield",
            "version": version,
            "description": "Run and orchestrate coding agents on your own machines. Every operation is a request of the WebSocket protocol.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    });
    let text = document.to_string().replace("#/$defs/", "#/components/schemas/");
    serde_json::from_str(&text).expect("it was JSON before the references were moved")
}

fn parameters(path: &str) -> Vec<Value> {
    let parameter = |part: &str| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        )
    };
    path.split('/').filter_map(parameter).collect()
}

fn refusal() -> Value {
    json!({
        "description": "Refused or failed.",
        "content": { "application/json": { "schema": { "$ref": "#/$defs/ErrorBody" } } },
    })
}

/// Bytes one way; the other way what is known of them.
fn bytes_operation(route: &crate::rest::BytesRoute) -> Value {
    let bytes =
        json!({ "content": { "*/*": { "schema": { "type": "string", "format": "binary" } } } });
    let known = json!({ "$ref": "#/$defs/StoredBlob" });
    let mut done = json!({ "description": "Done." });
    let mut operation = json!({
        "operationId": route.name,
        "description": route.description,
        "parameters": parameters(route.path),
    });
    if route.method == "GET" {
        done["content"] = bytes["content"].clone();
    } else {
        done["content"] = json!({ "application/json": { "schema": known } });
        operation["requestBody"] = bytes;
    }
    operation["responses"] = json!({ "200": done, "default": refusal() });
    operation
}

fn operation(route: &crate::rest::Route, data: &Value, reply: &Value) -> Value {
    let mut operation = json!({
        "operationId": route.request,
        "parameters": parameters(route.path),
        "responses": {
            "200": { "description": "Done.", "content": { "application/json": { "schema": reply } } },
            "default": refusal(),
        },
    });
    if route.method == "GET" {
        operation["description"] = json!("The fields of the request are given in the query.");
    } else {
        operation["requestBody"] = json!({ "content": { "application/json": { "schema": data } } });
    }
    operation
}

#[cfg(test)]
mod tests;
