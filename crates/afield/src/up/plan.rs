//! The command lines of the two parts.

use super::pair::TOKEN_FILE;
use crate::data_dir::DataDir;
use crate::serve;

/// What the parts are started with.
pub(super) struct Plan {
    pub(super) data_dir: DataDir,
    pub(super) flags: serve::Flags,
    pub(super) log: serve::LogFlags,
    pub(super) name: Option<String>,
    pub(super) verbose: u8,
}

impl Plan {
    pub(super) fn server(&self) -> Vec<String> {
        let mut arguments = self.common(&self.data_dir, "server");
        arguments.extend(self.flags.arguments());
        arguments
    }

    pub(super) fn runner(&self, url: &str, fingerprint: Option<&str>) -> Vec<String> {
        let data_dir = self.data_dir.runner();
        let mut arguments = self.common(&data_dir, "runner");
        let token = data_dir.file(TOKEN_FILE).display().to_string();
        let words = ["--server", url, "--token-file", &token, "--name", &self.runner_name()];
        arguments.extend(words.map(str::to_owned));
        if let Some(fingerprint) = fingerprint {
            arguments.extend(["--fingerprint".to_owned(), fingerprint.to_owned()]);
        }
        arguments.extend(self.log.arguments());
        arguments
    }

    fn common(&self, data_dir: &DataDir, part: &str) -> Vec<String> {
        let directory = data_dir.path().display().to_string();
        let mut arguments: Vec<String> =
            ["--data-dir", &directory, part, "--supervised"].map(str::to_owned).to_vec();
        arguments.extend((0..self.verbose).map(|_| "-v".to_owned()));
        arguments
    }

    pub(super) fn runner_name(&self) -> String {
        let host = || nix::unistd::gethostname().ok()?.into_string().ok();
        self.name.clone().or_else(host).unwrap_or_else(|| "this machine".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_started_with_what_was_given() {
        let plan = Plan {
            data_dir: DataDir::resolve(Some("/data".into())).unwrap(),
            flags: serve::Flags { listen: Some("127.0.0.1:0".into()), ..Default::default() },
            log: serve::LogFlags { log_level: Some("debug".into()), log_format: None },
            name: Some("box".into()),
            verbose: 1,
        };
        assert_eq!(
            plan.server().join(" "),
            "--data-dir /data server --supervised -v --listen 127.0.0.1:0"
        );
        assert_eq!(
            plan.runner("http://h:1", Some("AA")).join(" "),
            "--data-dir /data/runner runner --supervised -v --server http://h:1 --token-file \
             /data/runner/token --name box --fingerprint AA --log-level debug"
        );
    }
}
