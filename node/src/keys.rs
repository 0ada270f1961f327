//! Secret keys on disk: the file that holds one, and the folder that holds the files.
//!
//! A key file is text. Lines that say whose key it is, readable without a password, stand before a PKCS#8 document of
//! version 1 in PEM form, normally encrypted (PBES2 with scrypt and AES-256-CBC), which OpenSSL 3.0 reads as well.
//! The encryption has no integrity of its own, so after decryption the key is compared with the line that names it.

mod file;
mod store;

pub use crate::files::FileError;
pub use file::{KeyFile, KeyFileError, KeyRole, Password, Protection};
pub use store::{KeyStore, KeyStoreError, NameError, load};

use althing_types::SecretKey;
use zeroize::Zeroizing;

/// A new key from the system's generator of random numbers.
pub fn generate() -> Result<SecretKey, KeyFileError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|_| KeyFileError::Random)?;
    Ok(SecretKey::from_seed(&seed))
}
