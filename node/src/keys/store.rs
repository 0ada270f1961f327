//! The folder of a user's or node's keys: one file per key, named after it.

use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::files::{self, Access, Existing, FileError};
use crate::keys::file::{KeyFile, KeyFileError};

/// Bytes of a key file at most; ours have about 500.
const KEY_FILE_BYTES_MAX: usize = 64 * 1024;
/// Characters in the name of a key at most.
const NAME_CHARS_MAX: usize = 64;

/// A folder of key files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStore {
    folder: PathBuf,
}

/// A text is no name of a key.
#[derive(Debug, thiserror::Error)]
#[error(
    "a key's name is 1 to 64 letters, digits, points, hyphens or underscores, begins with a letter or digit and does not end in .pem"
)]
pub struct NameError;

/// Why a key could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is of no use.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyFileError,
    },
}

impl KeyStore {
    /// The keystore of a home folder. Nothing is created yet.
    pub fn new(home: &Path) -> Self {
        Self { folder: home.join("keystore") }
    }

    /// The file of the key of this name.
    pub fn path(&self, name: &str) -> Result<PathBuf, NameError> {
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        // A text that ends in .pem means a file wherever a key is named.
        if begins && rest && !name.ends_with(".pem") && name.len() <= NAME_CHARS_MAX {
            Ok(self.folder.join(format!("{name}.pem")))
        } else {
            Err(NameError)
        }
    }

    /// The names of all keys, ascending. Other files are passed over; a folder that does not exist holds none.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(FileError::Io { action: "list", path: self.folder.clone(), source }),
        };
        let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = files.filter_map(|file| Some(file.strip_suffix(".pem")?.to_owned())).collect();
        names.retain(|name| self.path(name).is_ok_and(|path| !is_special(&path)));
        names.sort();
        Ok(names)
    }

    /// Writes the text of a key file under a name. A key that exists is never replaced.
    pub fn save(&self, name: &str, text: &Zeroizing<String>) -> Result<PathBuf, KeyStoreError> {
        let path = self.path(name)?;
        files::create_folder(&self.folder, Access::Secret)?;
        files::write(&path, text.as_bytes(), Access::Secret, Existing::Keep)?;
        Ok(path)
    }
}

/// Whether something is there that is no file, such as a FIFO, on which a reader might wait for ever.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// Reads a key file, without its secret. Refuses one that holds a secret and that others may read.
pub fn load(path: &Path) -> Result<KeyFile, KeyStoreError> {
    let (bytes, mode) = files::read_noting_access(path, KEY_FILE_BYTES_MAX)?;
    let of_path = |error| KeyStoreError::Key { path: path.to_owned(), error };
    let text = str::from_utf8(&bytes);
    let text = text.map_err(|_| of_path(KeyFileError::Malformed { reason: "it is no text".to_owned() }))?;
    // The permissions are complained about first: a damaged file may have been read by others as well.
    if text.contains("PRIVATE KEY-----") {
        mode.check()?;
    }
    KeyFile::parse(text).map_err(of_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_file_names_and_nothing_else() {
        let store = KeyStore::new(Path::new("x"));
        for bad in ["", ".", "..", "../a", "a/b", "-a", "a b", "é", ".a", "a.pem", &"a".repeat(65)] {
            assert!(store.path(bad).is_err(), "{bad}");
        }
        assert_eq!(store.path("a.b_c-1").ok(), Some(PathBuf::from("x/keystore/a.b_c-1.pem")));
    }

    #[test]
    fn keys_are_kept_and_never_replaced() {
        let home = tempfile::tempdir().expect("a folder");
        let store = KeyStore::new(home.path());
        assert_eq!(store.names().expect("none"), Vec::<String>::new());
        let text = Zeroizing::new("PRIVATE KEY-----".to_owned());
        store.save("b", &text).expect("new");
        store.save("a", &text).expect("new");
        assert!(matches!(store.save("a", &text), Err(KeyStoreError::File(FileError::Exists { .. }))));
        fs::write(home.path().join("keystore/notes.txt"), "x").expect("ours");
        let fifo = home.path().join("keystore/fifo.pem");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("new");
        assert_eq!(store.names().expect("two"), ["a", "b"]);
    }
}
