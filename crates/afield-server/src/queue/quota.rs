//! How much may wait: commands and bytes of an org, a project and a device, and how fast a device
//! may submit.
//!
//! What was accepted is counted here and never counted down; when a count reaches its limit, the
//! store is asked how many there really are. So a count is never too low, and nothing has to be
//! told when a command leaves the queue.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard};

use afield_proto::{DeviceId, ErrorBody, ErrorCode, OrgId, ProjectId};
use afield_store::SubmitCommand;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota as Rate};
use serde_json::json;

use crate::core::Core;
use crate::error::from_store;
use crate::options::Limits;

/// When to come back after a full queue, in milliseconds: about as long as a short command takes.
const RETRY_AFTER_MS: u64 = 10_000;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    Org(OrgId),
    Project(ProjectId),
    Device(DeviceId),
}

#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    commands: u64,
    bytes: u64,
}

/// One limit.
struct Limit {
    name: &'static str,
    scope: Scope,
    commands: u64,
    bytes: u64,
}

pub(crate) struct Quota {
    usage: Mutex<HashMap<Scope, Usage>>,
    submissions: DefaultKeyedRateLimiter<DeviceId>,
    per_minute: u32,
    clock: DefaultClock,
}

impl Quota {
    pub(crate) fn new(limits: &Limits) -> Self {
        let per_minute = NonZeroU32::new(limits.submissions_per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            usage: Mutex::default(),
            submissions: DefaultKeyedRateLimiter::keyed(Rate::per_minute(per_minute)),
            per_minute: per_minute.get(),
            clock: DefaultClock::default(),
        }
    }

    fn usage(&self) -> MutexGuard<'_, HashMap<Scope, Usage>> {
        self.usage.lock().expect("nothing panics while it counts")
    }

    /// **Errors**: RATE_LIMITED and RESOURCE_LIMIT, naming the limit and when to come back.
    pub(crate) async fn check(
        &self,
        core: &Core,
        submit: &SubmitCommand,
        bytes: u64,
    ) -> Result<(), ErrorBody> {
        self.check_rate(submit.submitted_by)?;
        for limit in limits(core.limits(), submit) {
            let counted = self.usage().get(&limit.scope).copied();
            if counted.is_some_and(|usage| limit.has_room(usage, bytes)) {
                continue;
            }
            let usage = self.count_anew(core, submit.org, limit.scope).await?;
            if !limit.has_room(usage, bytes) {
                return Err(limit.reached(usage));
            }
        }
        Ok(())
    }

    fn check_rate(&self, device: DeviceId) -> Result<(), ErrorBody> {
        let Err(not_until) = self.submissions.check_key(&device) else { return Ok(()) };
        let wait = not_until.wait_time_from(self.clock.now());
        let message = format!(
            "this device submits more than {} commands a minute (limit submissions_per_minute)",
            self.per_minute
        );
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Err(ErrorBody::new(ErrorCode::RateLimited, message).with_details(json!({
            "limit": "submissions_per_minute", "value": self.per_minute, "retry_after_ms": ms,
        })))
    }

    async fn count_anew(&self, core: &Core, org: OrgId, scope: Scope) -> Result<Usage, ErrorBody> {
        let (project, device) = match scope {
            Scope::Org(_) => (None, None),
            Scope::Project(id) => (Some(id), None),
            Scope::Device(id) => (None, Some(id)),
        };
        let counted = core.store.queue_usage(org, project, device).await.map_err(from_store)?;
        let usage = Usage { commands: counted.0, bytes: counted.1 };
        self.usage().insert(scope, usage);
        Ok(usage)
    }

    /// A command was accepted.
    pub(crate) fn count(&self, org: OrgId, project: ProjectId, device: DeviceId, bytes: u64) {
        let mut usage = self.usage();
        for scope in [Scope::Org(org), Scope::Project(project), Scope::Device(device)] {
            let usage = usage.entry(scope).or_default();
            usage.commands += 1;
            usage.bytes += bytes;
        }
    }

    /// Forgets what is not needed for a while.
    pub(crate) fn tidy(&self) {
        self.submissions.retain_recent();
    }
}

fn limits(limits: &Limits, submit: &SubmitCommand) -> [Limit; 3] {
    [
        Limit {
            name: "queued_per_project",
            scope: Scope::Project(submit.project_id),
            commands: limits.queued_per_project,
            bytes: limits.queued_bytes,
        },
        Limit {
            name: "queued_per_device",
            scope: Scope::Device(submit.submitted_by),
            commands: limits.queued_per_device,
            bytes: limits.queued_bytes,
        },
        Limit {
            name: "queued_per_org",
            scope: Scope::Org(submit.org),
            commands: limits.queued_per_org,
            bytes: limits.queued_bytes,
        },
    ]
}

impl Limit {
    fn has_room(&self, usage: Usage, bytes: u64) -> bool {
        usage.commands < self.commands && usage.bytes.saturating_add(bytes) <= self.bytes
    }

    fn reached(&self, usage: Usage) -> ErrorBody {
        let (name, value, message) = match usage.commands < self.commands {
            false => {
                let message =
                    format!("{} commands wait already (limit {})", usage.commands, self.name);
                (self.name, self.commands, message)
            }
            true => {
                let message = format!("{} bytes wait already (limit queued_bytes)", usage.bytes);
                ("queued_bytes", self.bytes, message)
            }
        };
        let message = format!("{message}; cancel some, or come back when some are done");
        ErrorBody::new(ErrorCode::ResourceLimit, message).with_details(json!({
            "limit": name, "value": value, "retry_after_ms": RETRY_AFTER_MS,
        }))
    }
}
