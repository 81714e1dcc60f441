//! `afield up`: a server and a local runner, each a process of its own, paired and kept alive.

mod child;
mod pair;
mod plan;
mod revive;

use std::process::ExitStatus;
use std::time::Duration;

use crate::cli::load_config;
use crate::connect::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::parent::News;
use crate::stop::{Signals, survive_file_size_limit};
use crate::{Outcome, out, qr, serve};
use child::Child;
use plan::Plan;
use revive::Revive;

/// How long a stopping part may take before it is killed: the server waits for its connections,
/// the runner for its agents' last words.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// `afield up`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is set.
    #[command(flatten)]
    flags: serve::Flags,
    /// Name of this machine's runner [default: the host name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Does it.
pub(crate) async fn run(global: &Global, args: Args) -> Outcome {
    let loaded = load_config(global, args.flags.config.clone(), args.flags.values())?;
    survive_file_size_limit()?;
    let data_dir = global.data_dir()?;
    data_dir.ensure()?;
    data_dir.runner().ensure()?;
    let mut flags = args.flags;
    if !global.json && global.verbose == 0 && !loaded.chosen("log.level") {
        // The screen belongs to what `up` itself has to say.
        flags.log.log_level = Some("warn".to_owned());
    }
    let log = flags.log.clone();
    let mut up = Up {
        plan: Plan { data_dir, flags, log, name: args.name, verbose: global.verbose },
        json: global.json,
        url: String::new(),
        fingerprint: None,
        server: Part::down(),
        runner: Part::down(),
    };
    let mut signals = Signals::listen()?;
    let ready = tokio::select! {
        ready = up.start() => ready,
        () = signals.next() => Ok(()),
    };
    let outcome = match ready {
        Ok(()) => Box::pin(up.supervise(&mut signals)).await,
        Err(failure) => Err(failure),
    };
    tokio::select! {
        () = up.stop() => outcome,
        () = signals.next() => {
            up.kill();
            Ok(Exit::Signalled)
        }
    }
}

/// One of the two processes.
struct Part {
    child: Option<Child>,
    revive: Revive,
}

impl Part {
    fn down() -> Self {
        Self { child: None, revive: Revive::default() }
    }

    /// What happens to it next: news, its end, or the time to start it again.
    async fn next(&mut self) -> Turn {
        match &mut self.child {
            Some(child) => match child.next().await {
                child::Said::News(news) => Turn::News(news),
                child::Said::Ended(status) => {
                    self.child = None;
                    Turn::Ended(status)
                }
            },
            None => {
                self.revive.due().await;
                Turn::Due
            }
        }
    }

    async fn stop(&mut self) {
        if let Some(child) = self.child.take() {
            child.stop(STOP_GRACE).await;
        }
    }
}

enum Turn {
    News(News),
    Ended(ExitStatus),
    Due,
}

struct Up {
    plan: Plan,
    json: bool,
    url: String,
    fingerprint: Option<String>,
    server: Part,
    runner: Part,
}

impl Up {
    /// Starts both for the first time; what goes wrong here ends it.
    async fn start(&mut self) -> Result<(), Failure> {
        self.server.child = Some(Child::start(&self.plan.server())?);
        let link = loop {
            match self.server.next().await {
                Turn::News(News::Ready { url, listen, fingerprint, link }) => {
                    self.serves(url, listen, fingerprint);
                    break link;
                }
                Turn::News(_) | Turn::Due => {}
                Turn::Ended(status) => return Err(did_not_start("server", status)),
            }
        };
        let paired = pair::local_runner(&self.plan.data_dir, &self.plan.runner_name()).await?;
        if paired == pair::Paired::Anew {
            self.tell("the runner's credential was no longer valid; it has a new one");
        }
        self.start_runner()?;
        loop {
            tokio::select! {
                turn = self.runner.next() => match turn {
                    Turn::News(News::Connected) => break,
                    Turn::News(_) | Turn::Due => {}
                    Turn::Ended(status) => return Err(did_not_start("runner", status)),
                },
                turn = self.server.next() => if let Turn::Ended(status) = turn {
                    return Err(did_not_start("server", status));
                },
            }
        }
        self.announce(link.as_deref());
        Ok(())
    }

    fn start_runner(&mut self) -> Result<(), Failure> {
        let arguments = self.plan.runner(&self.url, self.fingerprint.as_deref());
        self.runner.child = Some(Child::start(&arguments)?);
        Ok(())
    }

    /// Keeps the address, so that a restarted server is found where it was.
    fn serves(&mut self, url: String, listen: Option<String>, fingerprint: Option<String>) {
        self.url = url;
        self.fingerprint = fingerprint;
        self.plan.flags.listen = listen.or_else(|| self.plan.flags.listen.take());
    }

    /// Keeps both alive until a signal comes.
    async fn supervise(&mut self, signals: &mut Signals) -> Outcome {
        loop {
            tokio::select! {
                turn = self.server.next() => match turn {
                    Turn::News(News::Ready { url, listen, fingerprint, .. }) => {
                        self.serves(url, listen, fingerprint);
                        self.event("restarted", "server", "the server serves again");
                    }
                    Turn::News(_) => {}
                    Turn::Ended(status) => self.ended("server", status),
                    Turn::Due => self.server.child = Some(Child::start(&self.plan.server())?),
                },
                turn = self.runner.next() => match turn {
                    Turn::News(News::Connected) => self.runner_connected(),
                    Turn::News(_) => {}
                    Turn::Ended(status) if was_refused(status) => self.runner_refused(),
                    Turn::Ended(status) => self.ended("runner", status),
                    Turn::Due => self.start_runner()?,
                },
                () = signals.next() => return Ok(Exit::Done),
            }
        }
    }

    fn ended(&mut self, name: &'static str, status: ExitStatus) {
        let part = if name == "server" { &mut self.server } else { &mut self.runner };
        let wait = part.revive.ended();
        let text = format!(
            "the {name} ended ({}); starting it again in {}",
            describe(status),
            crate::words::duration(wait)
        );
        self.event("restarting", name, &text);
    }

    fn runner_connected(&mut self) {
        if self.runner.revive.revived() {
            self.event("restarted", "runner", "the runner is connected again");
        }
    }

    /// Somebody threw it out on purpose: it is not paired again behind their back.
    fn runner_refused(&mut self) {
        self.runner.revive.never();
        let text = "the server no longer accepts the runner; start afield up anew to pair it again";
        self.event("refused", "runner", text);
    }

    fn event(&self, event: &str, part: &str, text: &str) {
        if self.json {
            out::json(&serde_json::json!({ "event": event, "part": part, "message": text }));
        } else {
            out::error_line(text);
        }
    }

    fn tell(&self, text: &str) {
        if !self.json {
            out::error_line(text);
        }
    }

    fn announce(&self, link: Option<&str>) {
        if self.json {
            out::json(&serde_json::json!({ "event": "ready", "url": self.url }));
        } else {
            out::text(&welcome(&self.url, self.fingerprint.as_deref(), link));
        }
    }

    /// The runner first, so that its last words reach the server.
    async fn stop(&mut self) {
        self.tell("stopping");
        self.runner.stop().await;
        self.server.stop().await;
    }

    fn kill(&mut self) {
        for part in [&mut self.runner, &mut self.server] {
            // Killed when dropped.
            part.child = None;
        }
    }
}

fn welcome(url: &str, fingerprint: Option<&str>, link: Option<&str>) -> String {
    let mut text = format!("Afield is running at {url}\n");
    if let Some(fingerprint) = fingerprint {
        text.push_str(&format!("certificate SHA-256: {fingerprint}\n"));
    }
    match link {
        Some(link) => {
            text.push_str(
                "\nOpen it in a browser; this link lets one in, once, within ten minutes:\n",
            );
            if let Some(code) = qr::render(link) {
                text.push_str(&code);
                text.push('\n');
            }
            text.push_str(&format!("{link}\n"));
        }
        None => text.push_str("\nA new link for a browser: afield link\n"),
    }
    text.push_str(
        "\nIn another terminal, in a directory of yours:\n  afield projects add .\n  \
         afield run --agent demo \"show me what you can do\"\n  afield run \"…\"\n  afield attach\n\
         \nCtrl-C stops it.\n",
    );
    text
}

/// The part said on standard error why.
fn did_not_start(name: &str, status: ExitStatus) -> Failure {
    let exit = if status.code() == Some(Exit::Usage as i32) { Exit::Usage } else { Exit::Failed };
    Failure::new(exit, format!("the {name} did not start ({})", describe(status)))
        .with_next("it says why above; more: afield up -v")
}

fn was_refused(status: ExitStatus) -> bool {
    status.code() == Some(Exit::Refused as i32)
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match nix::sys::signal::Signal::try_from(signal) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {signal}"),
        },
        (None, None) => "without a reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_welcome_says_what_to_do() {
        let text = welcome("http://127.0.0.1:1", None, Some("http://127.0.0.1:1/#pair=x"));
        assert!(
            text.contains("lets one in, once") && text.contains("/#pair=x") && text.contains('█')
        );
        assert!(text.contains("afield projects add .") && text.contains("Ctrl-C"));
        let again = welcome("https://h:1", Some("AA:BB"), None);
        assert!(again.contains("AA:BB") && again.contains("afield link"));
    }
}
