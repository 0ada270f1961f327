//! The repository as a map from path to text, read once, so that every check is a pure function that a test can feed
//! with made-up files. What git does not keep (`.git`, and what `.gitignore` names at the top) is left out.

use std::collections::BTreeMap;
use std::path::Path;

/// Every file of the repository. Paths are relative to its root and use `/`.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    files: BTreeMap<String, String>,
}

impl Repository {
    /// Reads the checkout that this test was built from.
    pub(crate) fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate lies one level down");
        let ignored = ignored_at_the_top(&std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default());
        let mut repository = Self::default();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for (path, is_folder) in entries(root, &folder) {
                if ignored.contains(&path) {
                    continue;
                } else if is_folder {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(root.join(&path)).expect("a listed file can be read");
                    // A file that is no text exists for links, and has nothing to search.
                    repository.files.insert(path, String::from_utf8(bytes).unwrap_or_default());
                }
            }
        }
        repository
    }

    /// A made-up repository, for the tests of the checks.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// The text of one file, or `None` where there is no such file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file or a folder with files stands at this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty() || self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// All files, in the order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files whose name ends so, for example `.rs`.
    pub(crate) fn ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.ends_with(ending))
    }
}

/// The files and folders in one folder, with whether each is a folder. Links are not followed.
fn entries(root: &Path, folder: &str) -> Vec<(String, bool)> {
    let listing = std::fs::read_dir(root.join(folder)).expect("a listed folder can be read");
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.expect("a folder entry can be read");
        let kind = entry.file_type().expect("the kind of a folder entry can be read");
        let name = entry.file_name().into_string().expect("file names in the repository are UTF-8");
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if !kind.is_symlink() {
            found.push((path, kind.is_dir()));
        }
    }
    found
}

fn ignored_at_the_top(gitignore: &str) -> Vec<String> {
    let named = gitignore.lines().filter_map(|line| line.strip_prefix('/')).map(|name| name.trim_end_matches('/'));
    std::iter::once(".git").chain(named).map(str::to_owned).collect()
}

#[test]
fn the_repository_leaves_out_what_git_leaves_out() {
    assert_eq!(ignored_at_the_top("/target\n/.testnet/\n*.swp\n"), [".git", "target", ".testnet"]);
    let repository = Repository::open();
    assert!(repository.text("Cargo.toml").is_some_and(|text| text.contains("[workspace]")));
    assert!(repository.has("tests/tests"));
    assert!(!repository.has(".git/config"));
    assert!(!repository.has("no-such-folder"));
}
