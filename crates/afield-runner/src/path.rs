//! Paths of projects: which directories the runner accepts, and how two of them are compared.
//!
//! Called when a project is made ([`resolve`]) and again right before an agent starts in it
//! ([`check_at_use`]): what was a directory then may be a link now.

use std::path::{Component, Path, PathBuf};

use afield_proto::limits::PATH_BYTES_MAX;
use afield_proto::runner::RunnerPath;
use afield_proto::{ErrorBody, ErrorCode};
use unicode_normalization::UnicodeNormalization as _;

/// Which rule a path breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing was given.
    #[error("the path is empty")]
    Empty,
    /// Longer than the system can handle.
    #[error("the path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// A NUL character, which ends a path for the system.
    #[error("the path holds a NUL character")]
    Nul,
    /// Not absolute.
    #[error("the path is not absolute (it must begin with /)")]
    Relative,
    /// A step upwards.
    #[error("the path holds a step upwards (..)")]
    Parent,
    /// Not there, or not to be read by the runner's user.
    #[error("there is no such directory, or it can't be entered")]
    Missing,
    /// There, but no directory.
    #[error("the path names no directory")]
    NoDirectory,
    /// The canonical name is no text.
    #[error("the path is no valid UTF-8")]
    NoText,
    /// Outside of all roots, itself or through a link.
    #[error("the directory lies outside the roots of the runner's policy")]
    OutsideRoots,
    /// Another directory than the one the project was made of: a link took its place.
    #[error("the directory was replaced by a link since the project was made")]
    Moved,
}

impl PathError {
    /// The name of the rule, for programs.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Empty => "not_empty",
            Self::TooLong => "length",
            Self::Nul => "no_nul",
            Self::Relative => "absolute",
            Self::Parent => "no_parent",
            Self::Missing => "exists",
            Self::NoDirectory => "directory",
            Self::NoText => "utf8",
            Self::OutsideRoots => "roots",
            Self::Moved => "unchanged",
        }
    }

    /// As it leaves the process.
    pub fn body(self) -> ErrorBody {
        ErrorBody::new(ErrorCode::InvalidPath, self.to_string())
            .with_details(serde_json::json!({ "rule": self.rule() }))
    }
}

/// Checks a path as a person wrote it, and finds the directory it means. Blocking.
///
/// **Errors**: the rule it breaks.
pub fn resolve(path: &str, roots: &[PathBuf]) -> Result<RunnerPath, PathError> {
    check_text(path)?;
    let canonical = Path::new(path).canonicalize().map_err(|_| PathError::Missing)?;
    if !canonical.is_dir() {
        return Err(PathError::NoDirectory);
    }
    if !inside(&canonical, roots) {
        return Err(PathError::OutsideRoots);
    }
    let text = canonical.to_str().ok_or(PathError::NoText)?;
    if text.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    Ok(RunnerPath { path: text.to_owned(), key: key(&canonical, text) })
}

/// Checks the canonical path of a project again, right before use. Blocking.
///
/// **Errors**: as [`resolve`]; [`PathError::Moved`] when a link took the place of a directory.
pub fn check_at_use(path: &str, roots: &[PathBuf]) -> Result<PathBuf, PathError> {
    let now = resolve(path, roots)?;
    if now.path == path && without_links(Path::new(path)) {
        Ok(PathBuf::from(now.path))
    } else {
        Err(PathError::Moved)
    }
}

fn check_text(path: &str) -> Result<(), PathError> {
    match () {
        () if path.is_empty() => Err(PathError::Empty),
        () if path.len() > PATH_BYTES_MAX => Err(PathError::TooLong),
        () if path.contains('\0') => Err(PathError::Nul),
        () if !Path::new(path).is_absolute() => Err(PathError::Relative),
        () if Path::new(path).components().any(|part| part == Component::ParentDir) => {
            Err(PathError::Parent)
        }
        () => Ok(()),
    }
}

/// Compares component by component, so that `/home/me2` does not lie in `/home/me`.
fn inside(canonical: &Path, roots: &[PathBuf]) -> bool {
    roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| canonical.starts_with(root))
}

/// Asks the kernel whether the way to the directory leads through no link at all.
#[cfg(target_os = "linux")]
fn without_links(path: &Path) -> bool {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(CWD, path, flags, Mode::empty(), resolve) {
        Ok(_) | Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => true,
        Err(_) => false,
    }
}

/// The comparison with the canonical path has to be enough here.
#[cfg(not(target_os = "linux"))]
fn without_links(_path: &Path) -> bool {
    true
}

/// Equal for two spellings of one directory: the file system's own folding, done here.
fn key(canonical: &Path, text: &str) -> String {
    if folds_case(canonical) {
        text.nfc().flat_map(char::to_lowercase).nfc().collect()
    } else {
        text.to_owned()
    }
}

/// Whether the directory answers to its name in other letters too.
fn folds_case(directory: &Path) -> bool {
    let name = directory.file_name().and_then(std::ffi::OsStr::to_str);
    let Some((parent, name)) = directory.parent().zip(name) else { return false };
    let swapped: String = name.chars().map(swap_case).collect();
    swapped != name && same_directory(directory, &parent.join(swapped))
}

fn swap_case(letter: char) -> char {
    match letter {
        'a'..='z' => letter.to_ascii_uppercase(),
        'A'..='Z' => letter.to_ascii_lowercase(),
        other => other,
    }
}

fn same_directory(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    id(one).is_some() && id(one) == id(other)
}

#[cfg(test)]
mod tests;
