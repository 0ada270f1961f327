//! A command's failure: one sentence, a symbol for scripts, an exit code, and what the user can do about it.

use std::borrow::Cow;
use std::path::Path;

use althing_genesis::GenesisError;

use crate::cli::exit::Exit;
use crate::keys::{FileError, KeyFileError, KeyStoreError, NameError};

/// Why a command ended without doing what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    symbol: Cow<'static, str>,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, symbol: &'static str, message: impl Into<String>) -> Self {
        Self { exit, symbol: Cow::Borrowed(symbol), message: message.into(), hint: None }
    }

    /// A node's refusal, with the symbol that it gave.
    pub(crate) fn refused(exit: Exit, symbol: String, message: String) -> Self {
        Self { exit, symbol: Cow::Owned(symbol), message, hint: None }
    }

    /// The same failure of another kind.
    pub(crate) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Arguments that parse and make no sense together.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "USAGE", message)
    }

    /// An invalid genesis document, or an entry for one, in a file.
    pub(crate) fn genesis(place: &Path, error: &GenesisError) -> Self {
        let (exit, symbol) = if error.fault.is_signature() {
            (Exit::Unverified, "GENESIS_SIGNATURE")
        } else {
            (Exit::Configuration, "GENESIS_INVALID")
        };
        Self::new(exit, symbol, format!("{}: {error}", place.display()))
            .hint("docs/genesis.md says what each field may hold")
    }

    /// Says what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn symbol(&self) -> &str {
        &self.symbol
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let message = error.to_string();
        match error {
            FileError::Missing { .. } => Self::new(Exit::NotFound, "FILE_NOT_FOUND", message),
            FileError::Exists { .. } => Self::new(Exit::Failed, "FILE_EXISTS", message)
                .hint("choose another name; commands that can replace a file do so with --force"),
            FileError::TooLarge { .. } => Self::new(Exit::Failed, "FILE_TOO_LARGE", message),
            FileError::Open { path, .. } => {
                let hint = format!("chmod 600 {}, and consider whether the secret is still one", path.display());
                Self::new(Exit::Key, "KEY_PERMISSIONS", message).hint(hint)
            }
            FileError::Io { .. } => Self::new(Exit::Failed, "IO", message),
        }
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Self {
        match error {
            KeyStoreError::Name(error) => error.into(),
            KeyStoreError::File(error) => error.into(),
            KeyStoreError::Key { path, error } => Self::of_key(&path, &error),
        }
    }
}

impl Failure {
    /// A key file that is of no use.
    pub(crate) fn of_key(path: &Path, error: &KeyFileError) -> Self {
        let (symbol, hint) = match error {
            KeyFileError::Malformed { .. } => {
                ("KEY_FORMAT", "restore the file from a copy; it is not what was written")
            }
            KeyFileError::OtherAlgorithm => ("KEY_FORMAT", "make an Ed25519 key with `althing key new`"),
            KeyFileError::NoSecret => ("KEY_PUBLIC_ONLY", "name the file that was written with the secret key"),
            KeyFileError::PasswordNeeded => ("KEY_PASSWORD_MISSING", "give --password-file, or run it on a terminal"),
            KeyFileError::WrongPassword => ("KEY_PASSWORD_WRONG", "check the password file; it holds one line"),
            KeyFileError::OtherKey { .. } => (
                "KEY_MISMATCH",
                "somebody changed the public-key line or exchanged the key; restore the file from a copy",
            ),
            KeyFileError::TooCostly => ("KEY_FORMAT", "encrypt the key again with usual parameters"),
            KeyFileError::DevKey => {
                ("KEY_DEV", "make a key with `althing key new`; DEV keys are for dev networks only")
            }
            KeyFileError::Seal { .. } | KeyFileError::Random => {
                ("INTERNAL", "this should not happen; please report it")
            }
        };
        Self::new(Exit::Key, symbol, format!("{}: {error}", path.display())).hint(hint)
    }
}
