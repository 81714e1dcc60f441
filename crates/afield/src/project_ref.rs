//! Which project is meant: an id, the beginning of one, a name, a directory, or where one stands.

use std::path::{Path, PathBuf};

use afield_client::Connection;
use afield_proto::ProjectId;
use afield_proto::project::Project;
use afield_proto::request::ProjectList;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::short_id::fits_among_few;
use crate::words::{shell, visible};

/// Asks the server which project is meant.
pub(crate) async fn find(connection: &Connection, meant: Option<&str>) -> Result<Project, Failure> {
    let projects = connection.ask(&ProjectList {}).await?.projects;
    choose(&projects, meant)
}

/// The one that is meant; where none is named and one stands in none, the preferred one.
pub(crate) fn choose_or(
    projects: &[Project],
    meant: Option<&str>,
    preferred: Option<ProjectId>,
) -> Result<Project, Failure> {
    let nowhere = meant.is_none() && by_directory(projects, Path::new(".")).is_empty();
    let preferred = preferred.filter(|_| nowhere);
    match projects.iter().find(|project| Some(project.id) == preferred) {
        Some(project) => Ok(project.clone()),
        None => choose(projects, meant),
    }
}

/// Finds the one that is meant.
pub(crate) fn choose(projects: &[Project], meant: Option<&str>) -> Result<Project, Failure> {
    let found = match meant {
        Some(word) => {
            let named = by_word(projects, word);
            let directory = Path::new(word);
            // A relative path means something here only if it exists here; an absolute one may lie
            // on another machine.
            let directory = Some(directory).filter(|path| path.is_absolute() || path.exists());
            match directory {
                Some(directory) if named.is_empty() => by_directory(projects, directory),
                _ => named,
            }
        }
        None => by_directory(projects, Path::new(".")),
    };
    match found.as_slice() {
        [project] => Ok((*project).clone()),
        [] => Err(none(projects, meant)),
        several => Err(ambiguous(several)),
    }
}

fn by_word<'a>(projects: &'a [Project], word: &str) -> Vec<&'a Project> {
    let fits = |project: &&Project| fits_among_few(project.id, word);
    let called = |project: &&Project| {
        project.settings.name.as_deref() == Some(word)
            || (!word.contains('/') && Path::new(&project.path).ends_with(word))
    };
    let by_id: Vec<_> = projects.iter().filter(fits).collect();
    if by_id.is_empty() { projects.iter().filter(called).collect() } else { by_id }
}

/// The projects whose directory this is, or lies around it.
fn by_directory<'a>(projects: &'a [Project], directory: &Path) -> Vec<&'a Project> {
    let directory = absolute(directory);
    projects.iter().filter(|project| directory.starts_with(&project.path)).collect()
}

/// The directory without links and dots where it exists here, else as it was written.
pub(crate) fn absolute(directory: &Path) -> PathBuf {
    std::fs::canonicalize(directory)
        .or_else(|_| std::path::absolute(directory))
        .unwrap_or_else(|_| directory.to_owned())
}

fn none(projects: &[Project], meant: Option<&str>) -> Failure {
    let directory = absolute(Path::new(meant.unwrap_or(".")));
    let sentence = match meant {
        Some(word) => format!("no project is called {word}, and none lies there"),
        None => format!("{} is no project, and lies in none", directory.display()),
    };
    let place = shell(&directory.to_string_lossy());
    let next = if projects.is_empty() {
        format!("make one: afield projects add {place}")
    } else {
        format!("see what there is: afield projects list; or make one: afield projects add {place}")
    };
    Failure::new(Exit::Refused, sentence).with_next(next)
}

fn ambiguous(several: &[&Project]) -> Failure {
    let listed: Vec<_> =
        several.iter().map(|one| format!("{} ({})", one.id, visible(&one.path))).collect();
    Failure::new(Exit::Refused, format!("several projects fit: {}", listed.join(", ")))
        .with_next("name one by its id: -p ID")
}

#[cfg(test)]
mod tests {
    use super::*;
    use afield_proto::project::{ProjectSettings, ProjectState};
    use afield_proto::{DeviceId, Timestamp};

    fn project(path: &str, name: Option<&str>) -> Project {
        Project {
            id: ProjectId::generate(),
            path: path.to_owned(),
            runner_id: DeviceId::generate(),
            state: ProjectState::Idle,
            reason: None,
            session_id: None,
            command_id: None,
            settings: ProjectSettings { name: name.map(str::to_owned), ..Default::default() },
            created_at: Timestamp::now(),
            last_active: Timestamp::now(),
        }
    }

    #[test]
    fn finds_by_id_name_and_directory() {
        let projects = [project("/no/such/a", Some("web shop")), project("/no/such/b", None)];
        let found = |word: &str| choose(&projects, Some(word)).unwrap().path;
        let id = projects[1].id.to_string();
        assert_eq!(found(&id), "/no/such/b");
        assert_eq!(found("web shop"), "/no/such/a");
        assert_eq!(found("b"), "/no/such/b");
        assert_eq!(found("/no/such/a"), "/no/such/a");
        assert_eq!(found("/no/such/a/deep/inside"), "/no/such/a");
        assert!(choose(&projects, Some("/no/such/abc")).is_err());
        assert!(choose(&projects, Some("c")).is_err());
    }

    #[test]
    fn the_current_directory_is_the_default() {
        let here = absolute(Path::new("."));
        let projects = [project(here.to_str().unwrap(), None), project("/no/such", None)];
        assert_eq!(choose(&projects, None).unwrap().id, projects[0].id);
        let failure = choose(&projects[1..], None).unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        assert!(choose(&projects, Some("no-such-place")).is_err());
        assert_eq!(choose(&projects, Some("src")).unwrap().id, projects[0].id);
    }

    #[test]
    fn the_preferred_one_is_for_those_who_stand_nowhere() {
        let here = absolute(Path::new("."));
        let projects = [project("/no/such", None), project(here.to_str().unwrap(), None)];
        let preferred = Some(projects[0].id);
        let away = std::slice::from_ref(&projects[0]);
        assert_eq!(choose_or(away, None, preferred).unwrap().id, projects[0].id);
        assert_eq!(choose_or(&projects, None, preferred).unwrap().id, projects[1].id);
        assert!(choose_or(away, Some("other"), preferred).is_err());
        assert!(choose_or(away, None, Some(ProjectId::generate())).is_err());
        assert!(choose_or(away, None, None).is_err());
    }

    #[test]
    fn two_that_fit_are_named() {
        let projects = [project("/no/such/x", Some("x")), project("/other/x", None)];
        let failure = choose(&projects, Some("x")).unwrap_err();
        assert!(failure.to_string().contains("several projects fit"));
    }
}
