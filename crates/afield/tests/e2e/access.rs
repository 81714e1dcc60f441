//! Nothing answers without a paired credential; scopes, hosts, origins and limits hold.

use std::time::Instant;

use afield_proto::proof::Proof;
use testkit::client::ClientError;
use testkit::harness::code;
use testkit::http::{send, status};
use testkit::keyed::{Keyed, challenge, unknown_token};

use super::*;

/// One HTTP request, written by hand; returns the whole response.
pub(crate) async fn http(afield: &Afield, head: &str, body: &str) -> String {
    http_from(afield, "127.0.0.1", head, body).await
}

/// The same from another loopback address: limits count per address.
async fn http_from(afield: &Afield, from: &str, head: &str, body: &str) -> String {
    send(&afield.url, from, head, body).await
}

#[tokio::test]
async fn no_route_answers_without_a_valid_credential() {
    let afield = demo().await;
    let revoked =
        afield.cli(&["token", "create", "--name", "r", "--scopes", "all", "--json"]).await;
    let revoked: Value = serde_json::from_str(&revoked.stdout).unwrap();
    afield.cli(&["token", "revoke", revoked["device_id"].as_str().unwrap()]).await;
    let mut mistyped = afield.token.clone().into_bytes();
    *mistyped.last_mut().unwrap() ^= 1;
    let mistyped = String::from_utf8(mistyped).unwrap();
    let mut owner = afield.client().await;
    let past = json!({ "name": "e", "scopes": ["view"], "expires_at": "2001-01-01T00:00:00Z" });
    let expired = owner.ask("device_create", past).await.unwrap()["token"].clone();
    let expired = expired.as_str().unwrap();
    let mut keyed = Keyed::default();
    keyed.pair(&afield.url, &mut owner, json!(["view", "admin"])).await;
    let mut lost = Keyed::default();
    lost.pair(&afield.url, &mut owner, json!(["view", "admin"])).await;
    owner.ask("device_revoke", json!({ "device_id": lost.device_id })).await.unwrap();
    let told = challenge(&afield.url).await;
    let replayed = keyed.proof(&told, "GET", "/ws");
    Client::connect_with(&afield.url, &format!("Afield {replayed}"), None).await.unwrap();
    let stranger = Keyed::default();
    let offered =
        |proof: Proof| format!("Sec-WebSocket-Protocol: afield.v1, {}", proof.subprotocol());
    let mut long = keyed.proof(&told, "GET", "/ws");
    long.nonce = "n".repeat(8_000);
    let bad = [
        format!("Authorization: Bearer {}", unknown_token()),
        format!("Authorization: Bearer {expired}"),
        format!("Authorization: Bearer {}", keyed.public()),
        format!("Authorization: Bearer {}", keyed.device_id),
        format!("Authorization: Afield {replayed}"),
        format!("Authorization: Afield {}", lost.proof(&told, "GET", "/ws")),
        format!("Authorization: Afield {}", stranger.proof(&told, "GET", "/ws")),
        format!("Authorization: Afield {}", keyed.device_id),
        offered(replayed.clone()),
        offered(lost.proof(&told, "GET", "/ws")),
        offered(stranger.proof(&told, "GET", "/ws")),
        offered(Proof { device_id: keyed.device_id, ..stranger.proof(&told, "GET", "/ws") }),
        offered(keyed.proof(&told, "GET", "/api/v1/projects")),
        offered(keyed.proof(&told, "POST", "/ws")),
        offered(keyed.proof(&told, "GET", "/ws?x=1")),
        offered(long),
        offered(keyed.proof(&told, "GET", "/ws")) + ".more",
        offered(keyed.proof(&told, "GET", "/ws"))
            + ", "
            + &keyed.proof(&told, "GET", "/ws").subprotocol(),
        "Sec-WebSocket-Protocol: afield.v1, afield.proof.".into(),
        format!("Sec-WebSocket-Protocol: afield.v1, {}", afield.token),
        format!("Cookie: afield_session={}", afield.token),
        String::new(),
        "Authorization: Bearer ".into(),
        "Authorization: Bearer afd_".into(),
        format!("Authorization: Bearer {mistyped}"),
        format!("Authorization: Bearer {}x", afield.token),
        format!("Authorization: Basic {}", afield.token),
        format!("Authorization: Bearer {}", revoked["token"].as_str().unwrap()),
        format!("X-Token: {}", afield.token),
    ];
    let mut routes: Vec<(String, String)> = afield_proto::rest::ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.replace(['{', '}'], "x")))
        .collect();
    for route in afield_proto::rest::BYTES_ROUTES {
        routes.push((route.method.to_owned(), route.path.replace(['{', '}'], "x")));
    }
    for path in ["/ws", "/readyz", "/metrics", "/api/v1/openapi.json", "/nonsense"] {
        routes.push(("GET".into(), path.into()));
    }
    // Each from an address of its own: thirty failures lock one out, and a lock would hide the rest.
    const ROUTES_PER_ADDRESS: usize = 20;
    for (index, credential) in bad.iter().enumerate() {
        for (number, (method, path)) in routes.iter().enumerate() {
            let from = format!("127.0.{}.{}", number / ROUTES_PER_ADDRESS, index + 10);
            let head = format!("{method} {path}\n{credential}");
            let response = http_from(&afield, &from, head.trim_end(), "").await;
            assert_eq!(status(&response), 401, "{head}: {response}");
        }
    }
    for (index, credential) in bad.iter().enumerate() {
        let headers: Vec<(&'static str, &str)> =
            ["Authorization", "Sec-WebSocket-Protocol", "Cookie"]
                .into_iter()
                .filter_map(|name| Some((name, credential.strip_prefix(name)?.strip_prefix(": ")?)))
                .collect();
        let from = format!("127.1.0.{}", index + 10).parse().unwrap();
        let refused = Client::connect_saying(&afield.url, &headers, Some(from)).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("401")), "{credential}");
    }
    let mistyped = format!("GET /api/v1/projects\nAuthorization: Bearer {mistyped}");
    let mut tries = 0;
    while status(&http_from(&afield, "127.0.0.99", &mistyped, "").await) == 401 {
        tries += 1;
        assert!(tries <= 30, "guessing is locked out, on loopback too");
    }
    assert_eq!(tries, 30);
    assert_eq!(status(&http(&afield, "GET /healthz", "").await), 200);
}

#[tokio::test]
async fn other_hosts_and_origins_are_refused_before_the_credential() {
    let afield = demo().await;
    let bearer = format!("Authorization: Bearer {}", afield.token);
    for (extra, expected) in [
        ("Host: evil.example", 403),
        ("Host: localhost", 403),
        ("Origin: http://evil.example", 403),
        ("Origin: null", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Origin: URL", 200),
        ("", 200),
    ] {
        let extra = extra.replace("URL", &afield.url);
        let head = format!("GET /api/v1/projects\n{bearer}\n{extra}");
        let response = http(&afield, head.trim_end(), "").await;
        assert_eq!(status(&response), expected, "{extra}: {response}");
    }
}

#[tokio::test]
async fn a_link_lets_one_browser_in() {
    let afield = demo().await;
    let link = afield.cli(&["link", "--json"]).await;
    let link: Value = serde_json::from_str(&link.stdout).unwrap();
    let (before, secret) = link["link"].as_str().unwrap().split_once("#pair=").unwrap();
    assert_eq!(before, format!("{}/", afield.url), "the secret is in the fragment only");
    let (secret, fingerprint) = secret.split_once("&key=").unwrap();
    assert_eq!(fingerprint.len(), 64);
    let mut browser = Keyed::default();
    let came = browser.come(&afield.url, "127.0.0.1", secret, "browser").await;
    assert!(!came.to_lowercase().contains("set-cookie"), "{came}");
    browser.device_id = testkit::http::json(&came)["device_id"].as_str().unwrap().parse().unwrap();
    let again = Keyed::default().come(&afield.url, "127.0.0.1", secret, "browser").await;
    assert_eq!(status(&again), 401, "a link works once");
    let offer = browser.offer(&challenge(&afield.url).await, "/ws");
    let mut page = Client::connect_offering(&afield.url, &offer, None).await.unwrap();
    page.ask("device_link", json!({})).await.unwrap();
    // It signs out by forgetting itself.
    page.begin("device_forget", json!({ "device_id": browser.device_id })).await.unwrap();
    let offer = browser.offer(&challenge(&afield.url).await, "/ws");
    while page.next().await.is_ok() {}
    let gone = Client::connect_offering(&afield.url, &offer, None).await;
    assert!(gone.is_err_and(|error| error.to_string().contains("401")));
    let narrow = afield.cli(&["link", "--scopes", "view", "--json"]).await;
    assert_eq!(narrow.code, Some(0), "{}", narrow.stderr);
    let log = afield.cli(&["audit", "ls", "--limit", "9"]).await.stdout;
    for action in ["link_created", "pairing_claimed", "device_paired", "device_revoked"] {
        assert!(log.contains(action), "{action}: {log}");
    }
}

#[tokio::test]
async fn scopes_are_what_the_server_says() {
    let afield = demo().await;
    let made = afield.cli(&["token", "create", "--name", "v", "--scopes", "view", "--json"]).await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let mut owner = afield.client().await;
    let project = afield.project(&mut owner, "p").await;
    let mut viewer = Client::connect(&afield.url, made["token"].as_str().unwrap()).await.unwrap();
    viewer.ask("project_list", json!({})).await.unwrap();
    follow(&mut viewer, &project, 0).await;
    for (kind, data) in [
        ("execute", json!({ "project_id": project, "prompt": "x", "agent": "demo" })),
        ("project_create", json!({ "path": "/" })),
        ("project_delete", json!({ "project_id": project })),
        ("agent_kill", json!({ "project_id": project })),
        ("device_create", json!({ "name": "x", "scopes": ["view"] })),
        ("audit_list", json!({})),
        ("runner_hello", json!({ "protocol": [1, 1], "facts": {}, "attempts": [] })),
        (
            "runner_records",
            json!({ "attempt": { "command_id": project, "attempt": 1, "fence": 1 }, "first_record": 1, "records": [] }),
        ),
    ] {
        assert_eq!(code(viewer.ask(kind, data).await), "FORBIDDEN", "{kind}");
    }
}

/// What a device with these scopes says over REST.
async fn says(afield: &Afield, token: &str, line: &str, body: &Value) -> (u16, Value) {
    let head = format!("{line}\nAuthorization: Bearer {token}");
    let response = http(afield, &head, &body.to_string()).await;
    (status(&response), testkit::http::json(&response))
}

/// A device that may send prompts and run no plain commands, and its token.
async fn without_shell(afield: &Afield) -> (Client, String) {
    let made = ["token", "create", "--name", "p", "--scopes", "view,approve,prompt", "--json"];
    let made: Value = serde_json::from_str(&afield.cli(&made).await.stdout).unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    (Client::connect(&afield.url, &token).await.unwrap(), token)
}

/// Words of such a device get a turn of their own beside one that was begun with wider rights.
#[tokio::test]
async fn only_with_the_scope_shell_words_go_into_a_turn_that_starts_programs() {
    let afield = with_mock().await;
    let mut owner = afield.client().await;
    let project = afield.project(&mut owner, "p").await;
    follow(&mut owner, &project, 0).await;
    let options = json!({ "allowed_tools": ["Bash(*)"] });
    let ask = json!({ "project_id": project, "prompt": "[[mock:steer n=1]]", "options": options });
    let turn = owner.ask("execute", ask).await.unwrap();
    owner.event("agent_message", |data| data["direction"] == "claude").await.unwrap();
    let (mut phone, _) = without_shell(&afield).await;
    let words = |mode: &str| {
        let target = json!({ "project_id": project });
        json!({ "target": target, "payload": { "prompt": "x" }, "mode": mode, "key": "k" })
    };
    let Err(ClientError::Refused(error)) = phone.ask("command_submit", words("steer")).await else {
        panic!("it was taken");
    };
    assert_eq!(error["code"], "FORBIDDEN", "{error}");
    assert_eq!(error["details"]["option"], "allowed_tools", "{error}");
    assert_eq!(error["details"]["command_id"], turn["id"], "{error}");
    assert!(error["message"].as_str().unwrap().contains("With the mode queue"), "{error}");
    let waits = phone.ask("command_submit", words("queue")).await.unwrap();
    assert_eq!(waits["state"], "queued", "nothing was kept of what was refused");
    let taken = owner.ask("command_submit", words("steer")).await.unwrap();
    assert_eq!(taken["into"], turn["id"]);
    assert_eq!(finished(&mut owner, &turn).await["state"], "succeeded");
}

#[tokio::test]
async fn only_with_the_scope_shell_options_let_an_agent_start_programs() {
    let afield = demo().await;
    let mut owner = afield.client().await;
    let project = afield.project(&mut owner, "p").await;
    let (mut phone, token) = without_shell(&afield).await;
    owner.ask("command_hold", json!({})).await.unwrap();
    let target = json!({ "project_id": project });
    let plain = json!({ "target": target, "payload": { "prompt": "x", "agent": "demo" } });
    let waits = phone.ask("command_submit", plain).await.unwrap();
    for (option, value) in [
        ("mcp_config", json!({ "mcpServers": { "x": { "command": "sh" } } })),
        ("mcp_config", json!(".mcp.json")),
        ("allowed_tools", json!(["Read", "Bash(*)"])),
        ("permission_mode", json!("bypassPermissions")),
        ("dangerously_skip_permissions", json!(true)),
    ] {
        let options = json!({ option: value });
        let payload = json!({ "prompt": "x", "agent": "demo", "options": options });
        let settings = json!({ "options": options });
        let path = afield.root().join("q");
        let asks = [
            (
                "execute",
                json!({ "project_id": project, "prompt": "x", "agent": "demo", "options": options }),
            ),
            ("command_submit", json!({ "target": target, "payload": payload })),
            (
                "command_submit",
                json!({ "target": { "selector": "cores > 0" }, "payload": payload }),
            ),
            ("command_edit", json!({ "command_id": waits["id"], "payload": payload })),
            ("command_retry", json!({ "command_ids": [waits["id"]], "payload": payload })),
            ("project_update", json!({ "project_id": project, "settings": settings })),
            ("project_create", json!({ "path": path, "settings": settings })),
        ];
        for (kind, data) in &asks {
            let refused = format!("{:?}", phone.ask(kind, data.clone()).await.unwrap_err());
            assert!(refused.contains("FORBIDDEN"), "{kind} {data}: {refused}");
            assert!(refused.contains(option) && refused.contains("shell"), "{kind}: {refused}");
        }
        let id = waits["id"].as_str().unwrap();
        for (line, (_, data)) in [
            (format!("POST /api/v1/projects/{project}/execute"), &asks[0]),
            ("POST /api/v1/commands".to_owned(), &asks[1]),
            (format!("PATCH /api/v1/commands/{id}"), &asks[3]),
            (format!("PATCH /api/v1/projects/{project}"), &asks[5]),
        ] {
            let (status, error) = says(&afield, &token, &line, data).await;
            assert_eq!((status, &error["details"]["option"]), (403, &json!(option)), "{error}");
        }
        owner.ask("command_submit", asks[1].1.clone()).await.unwrap();
    }
    let plain = json!({ "project_id": project, "settings": { "agent": "command" } });
    assert_eq!(code(phone.ask("project_update", plain.clone()).await), "FORBIDDEN");
    owner.ask("project_update", plain.clone()).await.unwrap();
    phone.ask("project_update", plain).await.unwrap();
    let never = json!({ "project_id": project, "permission_mode": "bypassPermissions" });
    assert_eq!(code(phone.ask("agent_set_mode", never).await), "FORBIDDEN");
}

/// What starts programs begins again only for those who could have sent it; what waits anyway is everybody's
/// who may send prompts.
#[tokio::test]
async fn only_with_the_scope_shell_what_starts_programs_is_put_back() {
    let afield = demo().await;
    let mut owner = afield.client().await;
    let project = afield.project(&mut owner, "p").await;
    follow(&mut owner, &project, 0).await;
    let (mut phone, token) = without_shell(&afield).await;
    let target = json!({ "project_id": project });
    let plain = json!({
        "target": target,
        "kind": "shell",
        "payload": { "options": { "argv": ["/bin/false"] } },
        "retry": { "attempts": 2, "wait_ms": 50, "on": ["failed"] },
    });
    let dead = owner.ask("command_submit", plain.clone()).await.unwrap();
    assert_eq!(finished(&mut owner, &dead).await["state"], "dead");
    owner.ask("command_hold", json!({})).await.unwrap();
    let options = json!({ "permission_mode": "bypassPermissions" });
    let payload = json!({ "prompt": "x", "agent": "demo", "options": options });
    let ask = json!({ "target": target, "payload": payload });
    let over = owner.ask("command_submit", ask).await.unwrap();
    owner.ask("command_cancel", json!({ "command_id": over["id"] })).await.unwrap();
    let waits = owner.ask("command_submit", plain).await.unwrap();
    for (command, option) in [(&dead, Value::Null), (&over, json!("permission_mode"))] {
        let mut asks = vec![json!({ "command_ids": [command["id"]] })];
        if command == &dead {
            asks.push(json!({ "all_dead": true }));
        }
        for ask in asks {
            assert_eq!(code(phone.ask("command_retry", ask.clone()).await), "FORBIDDEN", "{ask}");
            let (status, error) = says(&afield, &token, "POST /api/v1/commands/retry", &ask).await;
            assert_eq!((status, &error["details"]["scope"]), (403, &json!("shell")), "{error}");
            assert_eq!(error["details"]["option"], option, "{error}");
            assert_eq!(error["details"]["command_id"], command["id"], "{error}");
        }
    }
    let id = waits["id"].as_str().unwrap();
    let path = format!("PATCH /api/v1/commands/{id}");
    for more in
        [json!({ "retry": { "attempts": 9 } }), json!({ "expires_at": "2199-01-01T00:00:00Z" })]
    {
        assert_eq!(says(&afield, &token, &path, &more).await.0, 403, "{more}");
        let mut ask = more;
        ask["command_id"] = waits["id"].clone();
        assert_eq!(code(phone.ask("command_edit", ask.clone()).await), "FORBIDDEN", "{ask}");
    }
    phone.ask("command_edit", json!({ "command_id": id, "priority": "low" })).await.unwrap();
    phone.ask("command_move", json!({ "command_id": id, "to": "first" })).await.unwrap();
    phone.ask("command_release", json!({})).await.unwrap();
    assert_eq!(finished(&mut owner, &waits).await["state"], "dead", "it was accepted, and ran");
    let back = owner.ask("command_retry", json!({ "all_dead": true })).await.unwrap();
    assert_eq!(back["commands"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_project_grants_holds_for_the_prompts_of_every_device() {
    let afield = demo().await;
    let mut owner = afield.client().await;
    let project = afield.project(&mut owner, "p").await;
    let (mut phone, _) = without_shell(&afield).await;
    let update = |options: Value| {
        let settings = json!({ "agent": "demo", "options": options });
        json!({ "project_id": project, "settings": settings })
    };
    let granted = json!({ "allowed_tools": ["Bash(git *)"] });
    owner.ask("project_update", update(granted.clone())).await.unwrap();
    // As the app changes the mode: with all that was there before.
    let mode = json!({ "allowed_tools": ["Bash(git *)"], "permission_mode": "acceptEdits" });
    phone.ask("project_update", update(mode)).await.unwrap();
    owner.ask("command_hold", json!({})).await.unwrap();
    let payload = |options: Value| json!({ "prompt": "x", "options": options });
    let ask = json!({ "target": { "project_id": project }, "payload": { "prompt": "w" } });
    let waits = phone.ask("command_submit", ask).await.unwrap();
    let shown = phone.ask("command_show", json!({ "command_id": waits["id"] })).await.unwrap();
    let options = shown["payload"]["options"].clone();
    assert_eq!(options["allowed_tools"], granted["allowed_tools"], "{shown}");
    let edit = |options| json!({ "command_id": waits["id"], "payload": payload(options) });
    phone.ask("command_edit", edit(options)).await.unwrap();
    phone.ask("command_edit", edit(json!({ "allowed_tools": ["Read(src/**)"] }))).await.unwrap();
    let wider = edit(json!({ "allowed_tools": ["Bash"] }));
    assert_eq!(code(phone.ask("command_edit", wider).await), "FORBIDDEN");
}

#[tokio::test]
async fn revoking_cuts_a_live_connection_within_a_second() {
    let afield = demo().await;
    let made =
        afield.cli(&["token", "create", "--name", "lost", "--scopes", "all", "--json"]).await;
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let mut lost = Client::connect(&afield.url, made["token"].as_str().unwrap()).await.unwrap();
    lost.ask("project_list", json!({})).await.unwrap();
    let mut owner = afield.client().await;
    let start = Instant::now();
    owner.ask("device_revoke", json!({ "device_id": made["device_id"] })).await.unwrap();
    let closed = loop {
        match lost.next().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(closed, ClientError::Closed(4401, _)), "{closed}");
    assert!(start.elapsed().as_millis() < 1000, "{:?}", start.elapsed());
    assert!(Client::connect(&afield.url, made["token"].as_str().unwrap()).await.is_err());
}

#[tokio::test]
async fn more_connections_than_the_limit_are_refused_by_name() {
    let afield = demo().await;
    let from: std::net::IpAddr = "127.0.0.77".parse().unwrap();
    let mut open = Vec::new();
    let refused = loop {
        match Client::connect_from(&afield.url, &afield.token, Some(from)).await {
            Ok(client) => open.push(client),
            Err(error) => break error.to_string(),
        }
        assert!(open.len() <= 100, "the limit per address is 100");
    };
    assert_eq!(open.len(), 100);
    assert!(refused.contains("429"), "{refused}");
    afield.client().await.ask("project_list", json!({})).await.unwrap();
}
