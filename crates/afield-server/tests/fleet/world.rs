//! What the tests stand on: a server, its owner, and runners that say what they are told to say.

use afield_server::{Limits, Options, PushOptions, Running, Tls};
use serde_json::{Value, json};
use testkit::client::{Client, ClientError};

/// A server in a directory of its own.
pub(crate) struct World {
    pub(crate) server: Running,
    dir: tempfile::TempDir,
}

/// A runner and its connection.
pub(crate) struct Runner {
    pub(crate) id: String,
    token: String,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::open_with(Limits::default()).await
    }

    pub(crate) async fn open_with(limits: Limits) -> Self {
        Self::start(tempfile::tempdir().unwrap(), limits).await
    }

    /// A server on what lies in this directory.
    pub(crate) async fn open_in(dir: tempfile::TempDir) -> Self {
        Self::start(dir, Limits::default()).await
    }

    /// The same server, stopped and started again.
    pub(crate) async fn restarted(self, limits: Limits) -> Self {
        self.server.shutdown().await;
        Self::start(self.dir, limits).await
    }

    async fn start(dir: tempfile::TempDir, limits: Limits) -> Self {
        let options = Options {
            data_dir: dir.path().join("data"),
            listen: "127.0.0.1:0".parse().unwrap(),
            store: afield_store::Location::Sqlite(dir.path().join("data/afield.db")),
            tls: Tls::Off,
            behind_proxy: false,
            allowed_hosts: Vec::new(),
            limits,
            push: PushOptions::default(),
            version: "1.2.0".into(),
        };
        Self { server: afield_server::start(options).await.unwrap(), dir }
    }

    pub(crate) async fn owner(&self) -> Client {
        Client::connect(&self.server.url, &self.server.console_token).await.unwrap()
    }

    /// A device of kind runner, connected, that said nothing yet.
    pub(crate) async fn silent(&self, owner: &mut Client, name: &str) -> Runner {
        let ask = json!({ "name": name, "kind": "runner", "scopes": ["runner"] });
        let made = owner.ask("device_create", ask).await.unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        let id = made["device"]["id"].as_str().unwrap().to_owned();
        let client = Client::connect(&self.server.url, &token).await.unwrap();
        Runner { id, token, client }
    }

    /// A runner with these facts that said hello in the words of today.
    pub(crate) async fn runner(&self, owner: &mut Client, name: &str, facts: Value) -> Runner {
        let mut runner = self.silent(owner, name).await;
        runner.hello(facts).await.unwrap();
        runner
    }
}

impl World {
    /// The same runner on a new connection, with these attempts in its journal.
    pub(crate) async fn again(&self, runner: &mut Runner, attempts: Value) {
        runner.client = Client::connect(&self.server.url, &runner.token).await.unwrap();
        let agents = json!([{ "agent": "demo", "available": true }]);
        let facts = json!({ "agents": agents, "concurrency": 4, "labels": ["a"] });
        let hello = json!({ "protocol": [1, 3], "facts": facts, "attempts": attempts });
        runner.client.ask("runner_hello", hello).await.unwrap();
    }
}

impl Runner {
    /// Says hello with these facts, and that it has the demonstration agent.
    pub(crate) async fn hello(&mut self, mut facts: Value) -> Result<Value, ClientError> {
        if facts["agents"].is_null() {
            facts["agents"] = json!([{ "agent": "demo", "available": true }]);
        }
        if facts["concurrency"].is_null() {
            facts["concurrency"] = json!(4);
        }
        let hello = json!({
            "protocol": [1, 3], "features": ["beat", "inspect", "of-a-later-version"],
            "facts": facts, "attempts": [],
        });
        self.client.ask("runner_hello", hello).await
    }

    /// A project of it.
    pub(crate) async fn project(&mut self, owner: &mut Client, path: &str) -> String {
        let ask = json!({ "path": path, "runner_id": self.id });
        let asked = owner.begin("project_create", ask).await.unwrap();
        let order = self.client.wait_for("an order", |f| f["type"] == "runner_resolve_path").await;
        let resolved = json!({ "path": path, "key": path });
        let id = order.unwrap()["id"].clone();
        let reply = json!({ "type": "runner_resolve_path", "id": id, "data": resolved });
        self.client.send_text(reply.to_string()).await.unwrap();
        owner.reply(&asked).await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Answers the next question about its repository.
    pub(crate) async fn tells(&mut self, commit: Option<&str>, changes: u32) {
        let asked = self.client.wait_for("a question", |f| f["type"] == "runner_inspect").await;
        let data = json!({ "commit": commit, "changes": changes });
        let reply = json!({ "type": "runner_inspect", "id": asked.unwrap()["id"], "data": data });
        self.client.send_text(reply.to_string()).await.unwrap();
    }

    /// The next order to carry something out.
    pub(crate) async fn order(&mut self) -> Value {
        let frame = self.client.wait_for("an order", |f| f["type"] == "runner_execute").await;
        frame.unwrap()["data"].clone()
    }

    /// Reports that an order was begun and ended like this.
    pub(crate) async fn end(&mut self, order: &Value, outcome: &str) {
        let started = json!({ "started": { "at": "2026-11-20T12:00:00Z" } });
        let finished = json!({ "finished": {
            "at": "2026-11-20T12:00:01Z", "outcome": { "kind": outcome } } });
        let records = json!({
            "attempt": order["attempt"], "first_record": 1, "records": [started, finished] });
        self.client.ask("runner_records", records).await.unwrap();
    }
}
