//! Selectors over thousands of runners: the decision is right, and costs the store no more than one
//! over ten.

use afield_proto::Timestamp;
use afield_proto::agent::AgentKind;
use afield_proto::device::{DeviceKind, Scope};
use afield_proto::project::ProjectSettings;
use afield_proto::runner::{AgentFacts, RunnerFacts};
use afield_store::{Location, NewDevice, NewProject, Store};
use futures::future::try_join_all;
use serde_json::{Value, json};
use testkit::client::Client;

use crate::routing::{shown, submit};
use crate::world::World;

/// Runners of a large fleet, each with a project.
const MANY: u8 = 250;
/// The same, so many times.
const TIMES: usize = 12;
/// Of a small one.
const FEW: u8 = 10;
/// Submissions that are counted.
const SUBMISSIONS: u64 = 20;

fn facts(cores: u32) -> RunnerFacts {
    let agent = AgentFacts {
        agent: AgentKind::Demo,
        available: true,
        version: None,
        note: None,
        can: Vec::new(),
    };
    RunnerFacts {
        os: "linux".into(),
        cores,
        agents: vec![agent],
        concurrency: 4,
        ..Default::default()
    }
}

/// Makes runners with a project each; the number of cores tells one from the others.
async fn populate(
    dir: &std::path::Path,
    times: usize,
    count: u8,
) -> Result<(), afield_store::Error> {
    std::fs::create_dir_all(dir.join("data")).unwrap();
    let location = Location::Sqlite(dir.join("data/afield.db"));
    let store = Store::open(afield_store::Options::new(location)).await?;
    let now = Timestamp::now();
    let owner = store.bootstrap(now).await?;
    let one = async |batch: usize, number: u8| {
        let mut token_hash = [number; 32];
        token_hash[0] = u8::try_from(batch).unwrap();
        let new = NewDevice {
            org: owner.org_id,
            user: owner.user_id,
            name: format!("box-{batch}-{number}"),
            kind: DeviceKind::Runner,
            scopes: [Scope::Runner].into_iter().collect(),
            token_hash,
            expires_at: None,
            created_by: None,
        };
        let id = store.create_device(new, now).await?.id;
        let cores = u32::try_from(batch).unwrap() * 1_000 + u32::from(number);
        store.record_runner_facts(owner.org_id, id, &facts(cores), now).await?;
        let path = format!("/{batch}/{number}");
        let (runner_id, settings) = (id, ProjectSettings::default());
        let new =
            NewProject { org: owner.org_id, runner_id, path_key: path.clone(), path, settings };
        store.create_project(new, u64::MAX, now).await?;
        Ok::<_, afield_store::Error>(id)
    };
    for batch in 0..times {
        try_join_all((0..count).map(|number| one(batch, number))).await?;
    }
    store.close().await;
    Ok(())
}

/// How often the store was asked for some submissions, by selector or to a project.
async fn cost(world: &World, owner: &mut Client, target: impl Fn(u64) -> Value) -> u64 {
    let before = world.server.store_operations();
    for number in 0..SUBMISSIONS {
        submit(owner, target(number)).await;
    }
    world.server.store_operations() - before
}

/// What a selector costs more than the name of a project, for so many submissions.
async fn cost_of_choosing(world: &World, owner: &mut Client) -> u64 {
    let project = owner.ask("project_list", json!({})).await.unwrap()["projects"][0]["id"].clone();
    // What is read once is read by now.
    submit(owner, json!({ "selector": "cores = 0" })).await;
    let named = cost(world, owner, |_| json!({ "project_id": project })).await;
    assert!(named >= SUBMISSIONS, "each is written, at least: {named}");
    let by_selector =
        |number| json!({ "selector": format!("cores = {}", number % u64::from(FEW)) });
    cost(world, owner, by_selector).await.saturating_sub(named)
}

/// A server with so many runners, and its owner.
async fn fleet_of(times: usize, count: u8) -> (World, Client) {
    let dir = tempfile::tempdir().unwrap();
    populate(dir.path(), times, count).await.unwrap();
    let world = World::open_in(dir).await;
    let owner = world.owner().await;
    (world, owner)
}

async fn runner_named(owner: &mut Client, name: &str) -> Value {
    let list = owner.ask("runner_list", json!({})).await.unwrap();
    let all = list["runners"].as_array().unwrap();
    all.iter().find(|runner| runner["name"] == name).unwrap()["runner_id"].clone()
}

#[tokio::test]
async fn one_of_thousands_is_found_at_the_price_of_one_of_ten() {
    let (few, mut owner) = fleet_of(1, FEW).await;
    let among_few = cost_of_choosing(&few, &mut owner).await;
    let (world, mut owner) = fleet_of(TIMES, MANY).await;
    let among_many = cost_of_choosing(&world, &mut owner).await;
    // The one place that is left is asked for its queue; what the server does by itself is little.
    let most = SUBMISSIONS + SUBMISSIONS / 2;
    assert!(among_few <= most && among_many <= most, "{among_few} and {among_many} operations");

    let right = runner_named(&mut owner, "box-5-7").await;
    let command = submit(&mut owner, json!({ "selector": "cores = 5007" })).await;
    assert_eq!(command["runner_id"], right);
    let decision = shown(&mut owner, &command).await["route"]["decisions"][0].clone();
    let fleet = TIMES * usize::from(MANY);
    assert_eq!((&decision["considered"], &decision["fitted"]), (&json!(fleet), &json!(1)));
}

#[tokio::test]
async fn what_changes_in_the_fleet_counts_for_the_next_decision() {
    let (_world, mut owner) = fleet_of(1, FEW).await;
    let gpu = json!({ "selector": "labels has 'gpu'" });
    let place = async |owner: &mut Client, target: &Value| {
        let command = submit(owner, target.clone()).await;
        let placed = shown(owner, &command).await["route"]["placed"] == true;
        placed.then(|| command["runner_id"].clone())
    };
    assert_eq!(place(&mut owner, &gpu).await, None);
    let [one, two] =
        [runner_named(&mut owner, "box-0-1").await, runner_named(&mut owner, "box-0-2").await];
    let label = |id: &Value, labels: Value| json!({ "device_id": id, "labels": labels });
    owner.ask("device_label", label(&one, json!(["gpu"]))).await.unwrap();
    assert_eq!(place(&mut owner, &gpu).await, Some(one.clone()));
    let named = json!({ "selector": "name = 'new'" });
    owner.ask("device_rename", json!({ "device_id": two, "name": "new" })).await.unwrap();
    assert_eq!(place(&mut owner, &named).await, Some(two.clone()));
    owner.ask("device_label", label(&one, json!([]))).await.unwrap();
    owner.ask("device_label", label(&two, json!(["gpu"]))).await.unwrap();
    assert_eq!(place(&mut owner, &gpu).await, Some(two.clone()));
    owner.ask("device_revoke", json!({ "device_id": two })).await.unwrap();
    assert_eq!(place(&mut owner, &gpu).await, None, "it was thrown out");
    let three = runner_named(&mut owner, "box-0-3").await;
    let cores = json!({ "selector": "cores = 3" });
    let projects = owner.ask("project_list", json!({})).await.unwrap();
    let projects = projects["projects"].as_array().unwrap();
    let project = projects.iter().find(|it| it["runner_id"] == three).unwrap()["id"].clone();
    owner.ask("project_delete", json!({ "project_id": project })).await.unwrap();
    assert_eq!(place(&mut owner, &cores).await, None, "it has no project any more");
}
