//! The rules of paths, against paths that try to get around them.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

/// A root with a directory `in/project`, and a directory `out` beside the root.
struct Tree {
    _folder: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (root, outside) = (base.join("root"), base.join("root2"));
        std::fs::create_dir_all(root.join("in/project")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        symlink(&outside, root.join("escape")).unwrap();
        symlink(root.join("in"), root.join("inner")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        Self { _folder: folder, root, outside }
    }

    fn resolve(&self, path: &str) -> Result<RunnerPath, PathError> {
        resolve(path, std::slice::from_ref(&self.root))
    }

    fn at(&self, below: &str) -> String {
        format!("{}/{below}", self.root.display())
    }
}

#[test]
fn a_directory_inside_a_root_is_accepted_in_its_canonical_form() {
    let tree = Tree::new();
    for written in ["in/project", "in//project/", "in/./project", "inner/project"] {
        let found = tree.resolve(&tree.at(written)).unwrap();
        assert_eq!(found.path, tree.at("in/project"), "{written}");
    }
    assert_eq!(tree.resolve(&tree.at("")).unwrap().path, tree.root.display().to_string());
}

#[test]
fn each_rule_is_named() {
    let tree = Tree::new();
    let outside = tree.outside.display().to_string();
    let long = format!("/{}", "a/".repeat(PATH_BYTES_MAX / 2));
    let table = [
        (String::new(), PathError::Empty),
        ("in/project".into(), PathError::Relative),
        ("~/project".into(), PathError::Relative),
        ("C:\\project".into(), PathError::Relative),
        (tree.at("in/../in"), PathError::Parent),
        (tree.at("in\0"), PathError::Nul),
        (long, PathError::TooLong),
        (tree.at("nowhere"), PathError::Missing),
        (tree.at("loop"), PathError::Missing),
        (tree.at("file"), PathError::NoDirectory),
        (tree.at("escape"), PathError::OutsideRoots),
        (outside, PathError::OutsideRoots),
        ("/".into(), PathError::OutsideRoots),
        ("/proc/self/cwd".into(), PathError::OutsideRoots),
    ];
    for (path, error) in table {
        assert_eq!(tree.resolve(&path), Err(error), "{path:?}");
        assert_eq!(error.body().details.unwrap()["rule"], error.rule());
    }
}

#[test]
fn a_directory_that_was_replaced_by_a_link_is_refused_at_use() {
    let tree = Tree::new();
    let roots = std::slice::from_ref(&tree.root);
    let path = tree.resolve(&tree.at("in/project")).unwrap().path;
    check_at_use(&path, roots).unwrap();
    std::fs::remove_dir(&path).unwrap();
    symlink(&tree.outside, &path).unwrap();
    assert_eq!(check_at_use(&path, roots), Err(PathError::OutsideRoots));
    std::fs::remove_file(&path).unwrap();
    symlink(tree.root.join("in"), &path).unwrap();
    assert_eq!(check_at_use(&path, roots), Err(PathError::Moved));
}

#[test]
fn the_key_folds_only_where_the_file_system_does() {
    let tree = Tree::new();
    std::fs::create_dir(tree.root.join("Project")).unwrap();
    let found = tree.resolve(&tree.at("Project")).unwrap();
    let folds = std::fs::exists(tree.root.join("pROJECT")).unwrap();
    assert_eq!(found.key != found.path, folds);
}

fn nasty_part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(String::new()),
        Just("in".to_owned()),
        Just("project".to_owned()),
        Just("escape".to_owned()),
        Just("inner".to_owned()),
        Just("loop".to_owned()),
        Just("file".to_owned()),
        Just("root2".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("..\\".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("e\u{301}".to_owned()),
        Just("\0".to_owned()),
        ".{0,8}",
    ]
}

proptest! {
    #[test]
    fn nothing_outside_the_root_is_ever_accepted(
        parts in prop::collection::vec(nasty_part(), 0..8),
        below_root in any::<bool>(),
    ) {
        let tree = Tree::new();
        let written = parts.join("/");
        let written = if below_root { tree.at(&written) } else { written };
        if let Ok(found) = tree.resolve(&written) {
            let canonical = PathBuf::from(&found.path).canonicalize().unwrap();
            prop_assert!(canonical.starts_with(&tree.root));
            prop_assert!(!written.contains(".."));
            prop_assert_eq!(canonical.to_str().unwrap(), found.path.as_str());
            prop_assert!(check_at_use(&found.path, std::slice::from_ref(&tree.root)).is_ok());
        }
    }
}
