//! A database of the first version is brought up to date and goes on.

use afield_proto::command::{CommandState, OutcomeKind};
use afield_proto::runner::RunnerRecords;
use afield_proto::{CommandId, DeviceId, OrgId, ProjectId, Timestamp, Topic};

use super::lanes::check_lanes;
use super::world::{finished, started};
use super::{Outcome, Place, World, at};
use crate::{CommandFilter, migrate};

const ORG: &str = "01990000-0000-7000-8000-000000000001";
const USER: &str = "01990000-0000-7000-8000-000000000002";
const RUNNER: &str = "01990000-0000-7000-8000-000000000003";
const WAITING: [&str; 2] =
    ["01990000-0000-7000-8000-000000000004", "01990000-0000-7000-8000-000000000005"];
const SESSION: &str = "01990000-0000-7000-8000-000000000006";
const OVER: &str = "01990000-0000-7000-8000-000000000007";
const QUEUED: &str = "01990000-0000-7000-8000-000000000008";
const RUNNING: &str = "01990000-0000-7000-8000-000000000009";
const BROWSER: &str = "01990000-0000-7000-8000-00000000000a";
const EVENTS: [&str; 2] = [r#"{"type":"a"}"#, r#"{"type":"b"}"#];

/// Rows as the first version wrote them: a finished, a queued and a running command, two events, and
/// a browser with a cookie.
fn rows(bytes: fn(&str) -> String) -> String {
    let [first, second] = WAITING;
    let command = |id, project, key: &str, rest: &str| {
        format!(
            "INSERT INTO commands (id, org_id, project, session_id, request_id, submitted_by, key, \
             kind, agent, payload, applied, created_at, state, attempt, fence, leased_at, \
             started_at, finished_at, outcome) VALUES ('{id}', '{ORG}', {project}, '{SESSION}', \
             '{OVER}', '{RUNNER}', {key}, 'prompt', 'claude', \
             '{{\"prompt\":\"of old\",\"options\":{{}}}}', 0, 5, {rest});"
        )
    };
    let project = |number: i64, id: &str, path: &str| {
        format!(
            "INSERT INTO projects (number, id, org_id, runner_id, path, path_key, state, \
             session_id, settings, created_at, last_active) VALUES ({number}, '{id}', '{ORG}', \
             '{RUNNER}', '{path}', '{path}', 'IDLE', '{SESSION}', '{{}}', 1, 1);"
        )
    };
    // So many that none of their numbers is found free by trying again.
    let others: Vec<_> = (3..=20)
        .map(|number| project(number, &ProjectId::generate().to_string(), &format!("/{number}")))
        .collect();
    let event = |seq: usize, body: &str| {
        let crc = crc32fast::hash(body.as_bytes());
        format!("INSERT INTO events VALUES (1001, {seq}, {seq}, 7, {crc}, {});", bytes(body))
    };
    [
        format!("INSERT INTO orgs VALUES ('{ORG}', 'default', 1);"),
        format!("INSERT INTO users VALUES ('{USER}', '{ORG}', 'owner', 1);"),
        format!(
            "INSERT INTO devices (id, org_id, user_id, name, kind, scopes, token_hash, created_at) \
             VALUES ('{RUNNER}', '{ORG}', '{USER}', 'old', 'runner', 0, {}, 1);",
            bytes("token")
        ),
        format!(
            "INSERT INTO devices (id, org_id, user_id, name, kind, scopes, token_hash, created_at, \
             last_seen_at, expires_at) VALUES ('{BROWSER}', '{ORG}', '{USER}', 'old', 'browser', \
             31, {}, 1, 2, 9000000000000);",
            bytes("cookie")
        ),
        format!(
            "INSERT INTO links VALUES ({}, '{ORG}', '{USER}', 'browser', 31, 1, 9, 1, '{BROWSER}');",
            bytes("link")
        ),
        project(1, first, "/a"),
        project(2, second, "/b"),
        others.concat(),
        format!(
            "INSERT INTO sessions VALUES ('{SESSION}', '{ORG}', '{first}', 'native', 1, NULL);"
        ),
        command(OVER, 1, "'k'", r#"'failed', 1, 1, 6, 7, 8, '{"kind":"failed"}'"#),
        command(QUEUED, 1, "NULL", "'queued', 0, 0, NULL, NULL, NULL, NULL"),
        command(RUNNING, 2, "NULL", "'running', 1, 1, 6, 7, NULL, NULL"),
        format!("INSERT INTO topics VALUES (1001, '{ORG}', 'project:{first}', 2, 0);"),
        event(1, EVENTS[0]),
        event(2, EVENTS[1]),
    ]
    .concat()
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn sqlite_bytes(text: &str) -> String {
    format!("X'{}'", hexadecimal(text))
}

fn postgres_bytes(text: &str) -> String {
    format!("'\\x{}'", hexadecimal(text))
}

/// Nothing is lost, and what waited or ran goes on.
pub async fn a_database_of_the_first_version_goes_on(place: Place) -> Outcome {
    let location = place.options().location;
    let bytes = if place.is_sqlite() { sqlite_bytes } else { postgres_bytes };
    migrate::first_version(&location, &rows(bytes)).await?;
    let world = World::open(&place).await?;
    let org: OrgId = ORG.parse()?;
    assert_eq!(world.org, org);
    check_lanes(&world).await?;
    let [over, queued, running]: [CommandId; 3] =
        [OVER.parse()?, QUEUED.parse()?, RUNNING.parse()?];
    let all = CommandFilter { limit: 9, ..CommandFilter::default() };
    let all = world.store.commands(org, all).await?;
    let all: Vec<_> = all.iter().map(|command| (command.id, command.state)).collect();
    let expected = [
        (running, CommandState::Running),
        (queued, CommandState::Queued),
        (over, CommandState::Failed),
    ];
    assert_eq!(all, expected);
    check_details(&world, over).await?;
    let browser = world.store.device_by_id(BROWSER.parse()?).await?.ok_or("no browser")?;
    let last_seen = Timestamp::from_unix_ms(2);
    assert_eq!(browser.device.expires_at, Some(last_seen), "a cookie is no credential any more");
    go_on(&world, queued, running).await
}

async fn check_details(world: &World, over: CommandId) -> Outcome {
    let shown = world.store.show_command(world.org, over).await?;
    assert_eq!(shown.payload.prompt, "of old");
    assert_eq!(shown.command.key.as_deref(), Some("k"));
    assert_eq!(shown.command.outcome.map(|end| end.kind), Some(OutcomeKind::Failed));
    assert_eq!((shown.attempts.len(), shown.chain.len()), (1, 5));
    let topic = Topic::Project(WAITING[0].parse()?);
    let events = world.events(topic).await?;
    let bodies: Vec<_> = events.iter().map(|event| (event.seq, &*event.body)).collect();
    assert_eq!(bodies, [(1, EVENTS[0]), (2, EVENTS[1])]);
    Ok(())
}

/// Whether an event tells a prompt.
pub(super) fn is_prompt(body: &str) -> bool {
    body.starts_with(r#"{"type":"agent_message""#) && body.contains(r#""kind":"prompt""#)
}

async fn go_on(world: &World, queued: CommandId, running: CommandId) -> Outcome {
    let runner: DeviceId = RUNNER.parse()?;
    let project: ProjectId = WAITING[0].parse()?;
    let behind = world.enqueue(project, "behind").await?;
    let lease = || world.store.lease_commands(world.org, runner, 9, at(3));
    let told = |events: Vec<crate::StoredEvent>| {
        events.iter().filter(|event| is_prompt(&event.body)).count()
    };
    for (id, prompts) in [(queued, 0), (behind, 1)] {
        let orders = lease().await?;
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].attempt.command_id, id);
        assert_eq!(orders[0].native_session.as_deref(), Some("native"));
        let records = vec![started(), finished(OutcomeKind::Succeeded)];
        let records = RunnerRecords::new(orders[0].attempt, 1, records);
        world.store.apply_records(world.org, runner, records, at(4)).await?;
        // The first version told a prompt when it was submitted.
        let said = told(world.events(Topic::Project(project)).await?);
        assert_eq!(said, prompts, "prompts told by this version");
    }
    world.store.reconcile_runner(world.org, runner, &[], at(5)).await?;
    assert_eq!(world.state(running).await?, CommandState::Interrupted);
    assert_eq!(world.store.topic_head(Topic::Project(project)).await?.first_available, 1);
    // Its number is none that an old project has.
    world.project("/made-since").await?;
    check_lanes(world).await
}
