//! Looking at the repository in a project's directory, with git. Nothing is changed there.

use std::path::Path;
use std::time::Duration;

use afield_proto::repository::RunnerRepository;
use afield_proto::{ErrorBody, ErrorCode, RequestId};

use crate::policy::Policy;
use crate::process::environment::environment;
use crate::process::{Launch, probe};

/// Large repositories on cold disks take their time.
const GIT_TIMEOUT: Duration = Duration::from_secs(8);

/// The commit of a directory, and how much differs from it.
///
/// **Errors**: AGENT_UNAVAILABLE when git fails for another reason than that there is no repository.
pub(crate) async fn inspect(policy: &Policy, path: &Path) -> Result<RunnerRepository, ErrorBody> {
    let Ok(commit) = git(policy, path, &["rev-parse", "--verify", "HEAD"]).await else {
        return Ok(RunnerRepository { commit: None, changes: 0 });
    };
    let status = git(policy, path, &["status", "--porcelain", "--no-renames"]).await;
    let status = status.map_err(|error| {
        ErrorBody::new(ErrorCode::AgentUnavailable, format!("git status: {error}"))
    })?;
    let changes = u32::try_from(status.lines().count()).unwrap_or(u32::MAX);
    Ok(RunnerRepository { commit: Some(commit.trim().to_owned()), changes })
}

/// Without what a repository's own configuration would start.
async fn git(policy: &Policy, path: &Path, words: &[&str]) -> std::io::Result<String> {
    let safe = ["--no-optional-locks", "-c", "core.fsmonitor=false"];
    let launch = Launch {
        program: "git".into(),
        arguments: safe.iter().chain(words).map(Into::into).collect(),
        environment: environment(std::env::vars_os(), &policy.pass_environment),
        directory: path.to_owned(),
        mark: RequestId::generate().to_string(),
    };
    probe::ask(launch, GIT_TIMEOUT).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(path: &Path, words: &[&str]) {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let mut git = std::process::Command::new("git");
        let done = git.current_dir(path).args(identity).args(words).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    #[tokio::test]
    async fn commit_and_changes_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy::default();
        let look = async || inspect(&policy, folder.path()).await.unwrap();
        assert_eq!(look().await.commit, None, "no repository");
        run(folder.path(), &["init", "-q"]);
        assert_eq!(look().await.commit, None, "no commit");
        std::fs::write(folder.path().join("a"), "one").unwrap();
        run(folder.path(), &["add", "a"]);
        run(folder.path(), &["commit", "-q", "-m", "one"]);
        let clean = look().await;
        assert_eq!((clean.commit.as_ref().map(String::len), clean.changes), (Some(40), 0));
        std::fs::write(folder.path().join("a"), "two").unwrap();
        std::fs::write(folder.path().join("b"), "new").unwrap();
        assert_eq!(look().await, RunnerRepository { changes: 2, ..clean });
    }
}
