//! Which scope each request needs: the one table, asked at both doors (WebSocket and REST).
//!
//! A handler asks for more only where that depends on what a request says: plain commands need
//! `shell`, and nobody gives a scope away that it has not.

use afield_proto::device::Scope;
use afield_proto::request::Request;
use afield_proto::{DeviceId, ErrorBody};

use crate::socket::conn::Actor;

/// **Errors**: FORBIDDEN naming the scope that is missing.
pub(crate) fn check(actor: &Actor, request: &Request) -> Result<(), ErrorBody> {
    match needed(actor.device, request) {
        Some(scope) => actor.require(scope),
        None => Ok(()),
    }
}

/// The scope a device needs for a request; `None` for what every device may do.
fn needed(device: DeviceId, request: &Request) -> Option<Scope> {
    match request {
        Request::ProjectList(_)
        | Request::ProjectGet(_)
        | Request::ProjectJoin(_)
        | Request::GetMessages(_)
        | Request::HealthCheckAsk(_)
        | Request::Subscribe(_)
        | Request::CommandGet(_)
        | Request::CommandShow(_)
        | Request::CommandList(_)
        | Request::CommandExplain(_)
        | Request::HoldList(_)
        | Request::BlobGet(_)
        | Request::ApprovalList(_)
        | Request::RunnerList(_)
        | Request::DeviceList(_)
        | Request::DevicePresenceAsk(_)
        | Request::StateGet(_)
        | Request::HandoffGet(_) => Some(Scope::View),
        // What one types, marks and shows is one's own: seeing is enough.
        Request::StateSet(_)
        | Request::HandoffTake(_)
        | Request::HandoffMove(_)
        | Request::HandoffOffer(_)
        | Request::HandoffRelease(_) => Some(Scope::View),
        Request::ProjectCreate(_)
        | Request::ProjectUpdate(_)
        | Request::ProjectDelete(_)
        | Request::Execute(_)
        | Request::AgentNewSession(_)
        | Request::AgentKill(_)
        | Request::AgentInterrupt(_)
        | Request::AgentSetMode(_)
        | Request::CommandSubmit(_)
        | Request::CommandCancel(_)
        | Request::CommandEdit(_)
        | Request::CommandMove(_)
        | Request::CommandHold(_)
        | Request::CommandRelease(_)
        | Request::CommandRetry(_)
        | Request::CommandPurge(_)
        | Request::CommandResolve(_)
        | Request::SessionMove(_) => Some(Scope::Prompt),
        Request::ApprovalAnswer(_) => Some(Scope::Approve),
        Request::DeviceCreate(_)
        | Request::DeviceLink(_)
        | Request::DeviceRevokeOthers(_)
        | Request::DeviceSetScopes(_)
        | Request::DeviceRename(_)
        | Request::DeviceLabel(_)
        | Request::DevicePairStart(_)
        | Request::DevicePairStatus(_)
        | Request::DevicePairList(_)
        | Request::DevicePairDecide(_)
        | Request::AuditList(_)
        | Request::AuditVerify(_) => Some(Scope::Admin),
        // A device may always go.
        Request::DeviceRevoke(ask) => (ask.device_id != device).then_some(Scope::Admin),
        Request::DeviceForget(ask) => (ask.device_id != device).then_some(Scope::Admin),
        Request::RunnerHello(_)
        | Request::RunnerRecords(_)
        | Request::RunnerPartial(_)
        | Request::RunnerBeat(_)
        | Request::RunnerSleep(_) => Some(Scope::Runner),
        // What is sent to a device is for it, whatever it may do.
        Request::DeviceInbox(_) | Request::DeviceMessageAck(_) => None,
        // Runners and those who may prompt: the handler knows which it is.
        Request::DeviceMessageSend(_) | Request::DeviceBroadcast(_) => None,
        Request::ProjectLeave(_) | Request::Unsubscribe(_) => None,
    }
}
