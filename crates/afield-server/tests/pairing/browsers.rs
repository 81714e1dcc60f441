//! Browsers: let in by a link, and proven in the upgrade by a subprotocol.

use super::*;

#[tokio::test]
async fn a_page_proves_itself_by_a_subprotocol() {
    let world = world().await;
    let mut owner = world.owner().await;
    let device = world.keyed(&mut owner, json!(["view"])).await;
    let told = challenge(world.url()).await;
    let offer = device.offer(&told, "/ws");
    let mut page = Client::connect_offering(world.url(), &offer, None).await.unwrap();
    assert_eq!(page.subprotocol.as_deref(), Some("afield.v1"), "the proof does not come back");
    page.ask("project_list", json!({})).await.unwrap();
    let refused = async |headers: &[(&'static str, &str)]| {
        let answer = Client::connect_saying(world.url(), headers, None).await;
        answer.err().unwrap().to_string()
    };
    const OFFERED: &str = "sec-websocket-protocol";
    let replayed = refused(&[(OFFERED, &offer)]).await;
    assert!(replayed.contains("401"), "{replayed}");
    let fresh = device.offer(&told, "/ws");
    let foreign = refused(&[(OFFERED, &fresh), ("origin", "http://evil.example")]).await;
    assert!(foreign.contains("403"), "{foreign}");
    // That did not use the proof up.
    Client::connect_offering(world.url(), &fresh, None).await.unwrap();
    let alone = device.proof(&told, "GET", "/ws").subprotocol();
    let alone = refused(&[(OFFERED, &alone)]).await;
    assert!(alone.contains("426"), "afield.v1 is offered too: {alone}");
    let (one, other) = (device.offer(&told, "/ws"), device.proof(&told, "GET", "/ws"));
    let two = refused(&[(OFFERED, &one), (OFFERED, &other.subprotocol())]).await;
    assert!(two.contains("401"), "{two}");
    let both = refused(&[(OFFERED, &one), ("authorization", &format!("Afield {other}"))]).await;
    assert!(both.contains("401"), "{both}");
}

#[tokio::test]
async fn a_link_lets_a_browser_in_at_once() {
    let world = world().await;
    let mut owner = world.owner().await;
    let made = owner.ask("device_link", json!({ "scopes": ["view", "prompt"] })).await.unwrap();
    let told = challenge(world.url()).await;
    let fingerprint =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, told.server_key.as_bytes());
    let fingerprint: String =
        fingerprint.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(made["server_fingerprint"], fingerprint);
    let listed = owner.ask("device_pair_list", json!({})).await.unwrap();
    let listed = listed["pairings"].as_array().unwrap().last().unwrap();
    assert_eq!((&listed["id"], &listed["link"]), (&made["pairing_id"], &json!(true)));
    let secret = made["secret"].as_str().unwrap();
    let mut browser = Keyed::default();
    let runner = browser.come(world.url(), "127.0.0.1", secret, "runner").await;
    assert_eq!(status(&runner), 409, "not for runners, and not used up by that");
    let came = http::json(&browser.come(world.url(), "127.0.0.1", secret, "browser").await);
    assert_eq!((&came["state"], &came["pairing_id"]), (&json!("approved"), &made["pairing_id"]));
    browser.device_id = came["device_id"].as_str().unwrap().parse().unwrap();
    let mut page = browser.connect(world.url()).await.unwrap();
    page.ask("project_list", json!({})).await.unwrap();
    assert_eq!(code(page.ask("audit_list", json!({})).await), "FORBIDDEN");
    let again = http::json(&browser.come(world.url(), "127.0.0.1", secret, "browser").await);
    assert_eq!(again["device_id"], came["device_id"], "an answer that was lost comes again");
    page.ask("project_list", json!({})).await.unwrap();
    let thief = Keyed::default().come(world.url(), "127.0.0.1", secret, "browser").await;
    assert_eq!(status(&thief), 401, "a link works once");
    let devices = owner.ask("device_list", json!({})).await.unwrap();
    let shown = devices["devices"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&shown["kind"], &shown["credential"]), (&json!("browser"), &json!("key")));
    assert_eq!(shown["about"], json!({ "system": "linux", "version": "1" }));
    owner.ask("device_revoke", json!({ "device_id": browser.device_id })).await.unwrap();
    assert_eq!(closed(&mut page).await, 4401);
    let revived = browser.come(world.url(), "127.0.0.1", secret, "browser").await;
    assert_eq!(http::json(&revived)["state"], "approved", "that is history");
    assert!(browser.connect(world.url()).await.is_err(), "and opens nothing");
}

#[tokio::test]
async fn a_link_gives_no_more_than_its_maker_has() {
    let world = world().await;
    let mut owner = world.owner().await;
    let admin = world.keyed(&mut owner, json!(["view", "admin"])).await;
    let mut client = admin.connect(world.url()).await.unwrap();
    let ask = |scopes: &[&str]| json!({ "scopes": scopes });
    assert_eq!(code(client.ask("device_link", ask(&["prompt"])).await), "FORBIDDEN");
    assert_eq!(code(client.ask("device_link", ask(&["runner"])).await), "VALIDATION_FAILED");
    assert_eq!(code(client.ask("device_link", ask(&[])).await), "VALIDATION_FAILED");
    let mut viewer = Keyed::default();
    viewer.open_link(world.url(), &mut client, json!(["view"])).await;
    let mut viewer = viewer.connect(world.url()).await.unwrap();
    assert_eq!(code(viewer.ask("device_link", json!({})).await), "FORBIDDEN");
    let made = client.ask("device_link", json!({})).await.unwrap();
    let less = json!({ "device_id": admin.device_id, "scopes": ["view"] });
    owner.ask("device_set_scopes", less).await.unwrap();
    let secret = made["secret"].as_str().unwrap();
    let late = Keyed::default().come(world.url(), "127.0.0.1", secret, "browser").await;
    assert_eq!(status(&late), 401, "its maker could not make it any more");
    let taken_back = owner.ask("device_link", json!({})).await.unwrap();
    let refuse = json!({ "pairing_id": taken_back["pairing_id"], "approve": false });
    owner.ask("device_pair_decide", refuse).await.unwrap();
    let secret = taken_back["secret"].as_str().unwrap();
    let late = Keyed::default().come(world.url(), "127.0.0.1", secret, "browser").await;
    assert_eq!(status(&late), 401, "it was taken back");
    assert_eq!(actions(&mut owner).await.last().unwrap(), "pairing_refused");
}
