//! Where passwords come from: a file or the terminal, never an argument and never the environment.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::terminal::{self, TypingError};
use crate::files;
use crate::keys::{KeyFile, Password, Protection};

/// Bytes of a password file at most; OpenSSL reads a line of 1,024.
const PASSWORD_BYTES_MAX: usize = 1024;

/// How a key that is written is protected.
#[derive(Debug, Args)]
pub(crate) struct NewPassword {
    /// Encrypt the key under the one line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_no_password")]
    password_file: Option<PathBuf>,
    /// Keep the key in the clear
    #[arg(long)]
    insecure_no_password: bool,
}

impl NewPassword {
    /// The password for a key that is written, or none if that was asked for.
    pub(crate) fn obtain(&self, what: &str) -> Result<Option<Password>, Failure> {
        match &self.password_file {
            _ if self.insecure_no_password => Ok(None),
            Some(path) => from_file(path).map(Some),
            None => typed_twice(what).map(Some),
        }
    }
}

/// The protection that a password gives.
pub(crate) fn protection(password: Option<&Password>) -> Protection<'_> {
    password.map_or(Protection::None, Protection::Password)
}

/// The password for a key that is read; none if the key is in the clear.
pub(crate) fn for_opening(key: &KeyFile, path: &Path, source: Option<&Path>) -> Result<Option<Password>, Failure> {
    if !key.is_encrypted() {
        return Ok(None);
    }
    match source {
        Some(source) => from_file(source).map(Some),
        None if is_terminal() => prompt(&format!("Password of {}: ", path.display()))?.ok_or_else(empty).map(Some),
        None => Err(Failure::of_key(path, &crate::keys::KeyFileError::PasswordNeeded)),
    }
}

/// Reads the one line of a password file.
fn from_file(path: &Path) -> Result<Password, Failure> {
    let (bytes, mode) = files::read_noting_access(path, PASSWORD_BYTES_MAX)?;
    mode.check()?;
    let malformed = |what: &str| {
        Failure::new(Exit::Key, "KEY_PASSWORD_FILE", format!("{}: {what}", path.display()))
            .hint("a password file holds one line of text")
    };
    let text = str::from_utf8(&bytes).map_err(|_| malformed("this is no text"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r', '\0']) {
        return Err(malformed("the password has more than one line"));
    }
    Password::new(Zeroizing::new(line.to_owned())).ok_or_else(|| malformed("the password is empty"))
}

fn typed_twice(what: &str) -> Result<Password, Failure> {
    if !is_terminal() {
        let message = format!("no password for {what}: there is no terminal to ask on");
        return Err(Failure::new(Exit::Key, "KEY_PASSWORD_MISSING", message)
            .hint("give --password-file FILE, or --insecure-no-password to keep the key in the clear"));
    }
    let first = prompt(&format!("New password for {what}: "))?.ok_or_else(empty)?;
    let second = prompt("The same again: ")?.ok_or_else(empty)?;
    if first.is_same(&second) {
        Ok(first)
    } else {
        Err(Failure::new(Exit::Key, "KEY_PASSWORD_DIFFERS", "the two passwords differ; nothing was written"))
    }
}

fn prompt(text: &str) -> Result<Option<Password>, Failure> {
    let typed = terminal::ask(text).map_err(|error| match error {
        TypingError::Interrupted => Failure::new(Exit::Interrupted, "INTERRUPTED", error.to_string()),
        _ => Failure::new(Exit::Key, "KEY_PASSWORD_MISSING", error.to_string()),
    })?;
    Ok(Password::new(typed))
}

fn empty() -> Failure {
    Failure::new(Exit::Key, "KEY_PASSWORD_MISSING", "the password is empty; nothing was done")
}

fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
