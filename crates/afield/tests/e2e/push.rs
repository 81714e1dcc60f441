//! Web Push through the real binary, to a push service that is encrypted like a real one: what is
//! told, to whom, in which words, and what becomes of it.

use afield_proto::Timestamp;
use testkit::harness::code;
use testkit::http::{json as json_of, status};
use testkit::push_service::{PushService, Received, Subscriber};

use super::*;

/// An Afield, a push service it trusts, and a phone that is subscribed to it.
struct World {
    afield: Afield,
    service: PushService,
    phone: Client,
    browser: Subscriber,
    project: String,
    _dir: tempfile::TempDir,
}

async fn world() -> World {
    let (service, dir) = (PushService::start().await, tempfile::tempdir().unwrap());
    let trusted = dir.path().join("trusted.pem");
    std::fs::write(&trusted, &service.certificate).unwrap();
    let env = vec![
        ("AFIELD_CLAUDE_PATH".into(), "/nonexistent/claude".into()),
        ("SSL_CERT_FILE".into(), trusted.display().to_string()),
        ("AFIELD_PUSH__PRIVATE_ADDRESSES".into(), "true".into()),
        ("AFIELD_PUSH__CONTACT".into(), "mailto:me@example.org".into()),
    ];
    let afield = Afield::up(Setup { env, ..setup() }).await;
    let mut phone = afield.client().await;
    let project = afield.project(&mut phone, "shop").await;
    let mut world =
        World { afield, service, phone, browser: Subscriber::default(), project, _dir: dir };
    world.subscribe(json!({})).await;
    world
}

impl World {
    async fn subscribe(&mut self, more: Value) -> Value {
        let endpoint = format!("{}/send/phone", self.service.url);
        let mut ask = json!({ "endpoint": endpoint, "keys": self.browser.keys() });
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.phone.ask("push_subscribe", ask).await.unwrap()
    }

    async fn start(&mut self, prompt: &str) -> Value {
        let ask = json!({ "project_id": self.project, "prompt": prompt, "agent": "demo" });
        self.phone.ask("execute", ask).await.unwrap()
    }

    /// Goes on in another project: what follows soon in one is gathered there.
    async fn elsewhere(&mut self, name: &str) {
        self.project = self.afield.project(&mut self.phone, name).await;
    }

    async fn run(&mut self, prompt: &str) {
        let command = self.start(prompt).await;
        let project = self.project.clone();
        follow(&mut self.phone, &project, 0).await;
        finished(&mut self.phone, &command).await;
    }

    /// The next message, opened.
    async fn told(&mut self) -> (Value, Received) {
        let received = self.service.next().await;
        (self.browser.open(&received), received)
    }

    /// The delivery log, once it has so many lines.
    async fn log(&mut self, lines: usize) -> Vec<Value> {
        loop {
            let log = self.phone.ask("push_log", json!({})).await.unwrap();
            let log = log["deliveries"].as_array().unwrap();
            if log.len() >= lines {
                return log.clone();
            }
        }
    }
}

#[tokio::test]
async fn what_an_agent_asks_reaches_a_phone_nobody_looks_at() {
    let mut world = world().await;
    let key = world.phone.ask("push_key", json!({})).await.unwrap();
    let command = world.start("please ask").await;
    let (said, received) = world.told().await;
    assert_eq!(said["kind"], "approval", "{said}");
    assert!(said["title"].as_str().unwrap().starts_with("shop: may "), "{said}");
    assert_eq!((&said["project_id"], &said["count"]), (&json!(world.project), &json!(1)));
    assert_eq!(said["command_id"], command["id"]);
    let open = world.phone.ask("approval_list", json!({})).await.unwrap();
    assert_eq!(said["approval_id"], open["approvals"][0]["approval_id"]);
    assert_eq!(said["danger"], open["approvals"][0]["danger"]["level"]);
    assert_eq!(received.path, "/send/phone");
    assert_eq!(received.header("content-encoding"), "aes128gcm");
    assert_eq!((received.header("urgency"), received.header("topic").len()), ("high", 32));
    let life: u64 = received.header("ttl").parse().unwrap();
    assert!((3590..=3600).contains(&life), "{life}");
    let claims = received.claims(key["public_key"].as_str().unwrap());
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(world.service.url), &json!("mailto:me@example.org"))
    );
    let left = claims["exp"].as_i64().unwrap() * 1000 - Timestamp::now().unix_ms();
    assert!((0..86_400_000).contains(&left), "{left}");
    let log = world.log(1).await;
    assert_eq!((&log[0]["outcome"], &log[0]["status"]), (&json!("sent"), &json!(201)));
    assert_eq!((&log[0]["kind"], &log[0]["tries"]), (&json!("approval"), &json!(1)));
}

#[tokio::test]
async fn an_approval_is_answered_from_its_notification() {
    let mut world = world().await;
    let command = world.start("please ask").await;
    let (said, _) = world.told().await;
    let post = async |body: Value| {
        let path = "POST /api/v1/approvals/one-tap";
        let response = access::http(&world.afield, path, &body.to_string()).await;
        (status(&response), json_of(&response))
    };
    let (seen, shown) = post(json!({ "token": said["token"] })).await;
    assert_eq!((seen, &shown["approval_id"]), (200, &said["approval_id"]), "{shown}");
    assert!(shown["input"]["content"].is_string(), "the page shows all that would be done");
    assert_eq!(shown["state"], "open", "looking answers nothing");
    let forged = said["token"].as_str().unwrap().replace("afd_", "afd-");
    let unknown = testkit::keyed::unknown_token();
    for bad in [forged.as_str(), "", &unknown, &world.afield.token] {
        let (refused, why) = post(json!({ "token": bad, "behavior": "allow" })).await;
        assert_eq!((refused, &why["code"]), (401, &json!("UNAUTHORIZED")), "{bad}");
    }
    let more = json!({ "token": said["token"], "behavior": "allow", "for_session": true });
    assert_eq!(post(more).await.0, 400, "only a plain yes or no");
    let bearer =
        format!("GET /api/v1/projects\nAuthorization: Bearer {}", said["token"].as_str().unwrap());
    assert_eq!(
        status(&access::http(&world.afield, &bearer, "").await),
        401,
        "it opens nothing else"
    );
    let (done, answered) = post(json!({ "token": said["token"], "behavior": "allow" })).await;
    assert_eq!((done, &answered["state"]), (200, &json!("allowed")), "{answered}");
    let (late, told) = post(json!({ "token": said["token"], "behavior": "deny" })).await;
    assert_eq!((late, &told["details"]["state"]), (409, &json!("allowed")), "{told}");
    let project = world.project.clone();
    follow(&mut world.phone, &project, 0).await;
    assert_eq!(finished(&mut world.phone, &command).await["state"], "succeeded");
    let log = world.phone.ask("audit_list", json!({ "limit": 9 })).await.unwrap().to_string();
    assert!(log.contains("\"one_tap\":true"), "{log}");
}

#[tokio::test]
async fn a_device_somebody_looks_at_is_left_alone() {
    let mut world = world().await;
    let made = world.afield.cli(&["token", "create", "--name", "tablet", "--json"]).await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let token = made["token"].as_str().unwrap();
    let mut tablet = Client::connect(&world.afield.url, token).await.unwrap();
    let other = Subscriber::default();
    let endpoint = format!("{}/send/tablet", world.service.url);
    let ask = json!({ "endpoint": endpoint, "keys": other.keys() });
    tablet.ask("push_subscribe", ask).await.unwrap();
    world.phone.ask("device_looking", json!({ "visible": true })).await.unwrap();
    world.run("seen on the phone").await;
    let received = world.service.next().await;
    assert_eq!(received.path, "/send/tablet", "it is told to the other alone");
    assert_eq!(other.open(&received)["body"], "seen on the phone");
    tablet.ask("push_unsubscribe", json!({})).await.unwrap();
    world.phone.ask("device_looking", json!({ "visible": false })).await.unwrap();
    world.run("not seen").await;
    let (said, received) = world.told().await;
    assert_eq!((&said["kind"], &said["title"]), (&json!("finished"), &json!("shop: done")));
    assert_eq!((&said["body"], received.header("urgency")), (&json!("not seen"), "normal"));
}

#[tokio::test]
async fn only_what_is_wanted_comes_and_not_in_quiet_hours() {
    let mut world = world().await;
    let all_day =
        json!({ "from": "00:00", "to": "00:00", "time_zone": "Europe/Berlin", "urgent": true });
    let quiet = json!({ "settings": { "kinds": ["approval", "finished"], "quiet": all_day } });
    world.phone.ask("push_settings", quiet.clone()).await.unwrap();
    world.run("in the night").await;
    world.start("ask in the night").await;
    assert_eq!(world.told().await.0["kind"], "approval", "it is urgent");
    world.phone.ask("agent_kill", json!({ "project_id": world.project })).await.unwrap();
    let failures = json!({ "settings": { "kinds": ["failure"] } });
    world.phone.ask("push_settings", failures).await.unwrap();
    world.run("not wanted").await;
    world.elsewhere("second").await;
    world.run("fail as wanted").await;
    assert_eq!(world.told().await.0["kind"], "failure");
    let state = world.phone.ask("push_unsubscribe", json!({})).await.unwrap();
    assert_eq!(state, json!({ "settings": { "kinds": ["failure"] } }));
    world.run("fail unheard").await;
    world.subscribe(json!({})).await;
    world.elsewhere("third").await;
    world.run("fail heard").await;
    assert_eq!(world.told().await.0["body"], "fail heard", "wishes stay with the device");
    for bad in [
        json!({ "kinds": ["everything"] }),
        json!({ "kinds": [], "quiet": { "from": "22:00", "to": "7", "time_zone": "UTC" } }),
        json!({ "kinds": [], "quiet": { "from": "22:00", "to": "07:00", "time_zone": "Middle/Earth" } }),
    ] {
        let refused = world.phone.ask("push_settings", json!({ "settings": bad })).await;
        assert_eq!(code(refused), "VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_and_what_is_gone_is_left() {
    let mut world = world().await;
    for busy in ["503 Busy\nRetry-After: 0", "429 Slow\nRetry-After: 0", "201 Created"] {
        world.service.answer(busy);
    }
    world.run("one").await;
    for _ in 0..3 {
        assert_eq!(world.told().await.0["body"], "one");
    }
    let log = world.log(1).await;
    assert_eq!((&log[0]["outcome"], &log[0]["tries"]), (&json!("sent"), &json!(3)));
    world.service.answer("307 Elsewhere\nLocation: /send/elsewhere");
    let moved = world.phone.ask("push_test", json!({})).await.unwrap();
    assert_eq!((&moved["outcome"], &moved["status"]), (&json!("failed"), &json!(307)));
    assert_eq!(world.told().await.1.path, "/send/phone");
    assert!(world.service.is_empty(), "nothing is followed");
    assert_eq!(code(world.phone.ask("push_test", json!({})).await), "RATE_LIMITED");
    world.service.answer("410 Gone");
    world.elsewhere("second").await;
    world.run("two").await;
    assert_eq!(world.log(3).await[0]["outcome"], "gone");
    let state = world.phone.ask("push_settings", json!({})).await.unwrap();
    assert!(state["service"].is_null(), "{state}");
    assert_eq!(code(world.phone.ask("push_test", json!({})).await), "NOT_FOUND");
}

#[tokio::test]
async fn a_server_knocks_on_no_door_inside() {
    let afield = demo().await;
    let mut client = afield.client().await;
    let keys = Subscriber::default().keys();
    for endpoint in [
        "http://push.example/x",
        "https://127.0.0.1/x",
        "https://[::1]:7433/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://me@push.example/x",
        "file:///etc/passwd",
        "",
    ] {
        let ask = json!({ "endpoint": endpoint, "keys": keys });
        assert_eq!(
            code(client.ask("push_subscribe", ask).await),
            "VALIDATION_FAILED",
            "{endpoint}"
        );
    }
    let bad =
        json!({ "endpoint": "https://push.example/x", "keys": { "p256dh": "AA", "auth": "AA" } });
    assert_eq!(code(client.ask("push_subscribe", bad).await), "VALIDATION_FAILED");
    // A name is looked at when it is connected to.
    let ask = json!({ "endpoint": "https://localhost:1/x", "keys": keys });
    let state = client.ask("push_subscribe", ask).await.unwrap();
    assert_eq!(state["service"], "localhost:1");
    let sent = client.ask("push_test", json!({})).await.unwrap();
    assert_eq!((&sent["outcome"], &sent["tries"]), (&json!("failed"), &json!(1)));
    let reason = sent["reason"].as_str().unwrap();
    assert!(reason.contains("no address of the public internet"), "{reason}");
}
