//! The text of a key file: how a key is sealed into it and opened again.

use std::fmt;

use althing_types::{PublicKey, SecretKey};
use pkcs8::der::asn1::{BitStringRef, OctetStringRef};
use pkcs8::der::oid::ObjectIdentifier;
use pkcs8::der::{Decode as _, EncodePem as _};
use pkcs8::pkcs5::{self, pbes2};
use pkcs8::spki::{AlgorithmIdentifier, AlgorithmIdentifierRef, SubjectPublicKeyInfo};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

/// Ed25519 (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const LABEL_PLAIN: &str = "PRIVATE KEY";
const LABEL_ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const LABEL_PUBLIC: &str = "PUBLIC KEY";

/// scrypt with N = 2^14, r = 8, p = 1: 16 MiB. OpenSSL refuses to read more than that without being told to.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;

/// What a file may demand of us before we know that it is ours: for scrypt, 512 MiB gone through once
/// (128 × N × r × p), and ten million rounds of PBKDF2, a few seconds.
const SCRYPT_COST_MAX: u64 = 4 * 1024 * 1024;
const SCRYPT_P_MAX: u16 = 16;
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// A password. Its memory is overwritten when it is dropped, and it does not show itself.
pub struct Password(Zeroizing<String>);

/// How a key is kept in its file.
#[derive(Clone, Copy)]
pub enum Protection<'a> {
    /// Encrypted under a password.
    Password(&'a Password),
    /// In the clear. For development, and for places that are encrypted otherwise.
    None,
}

/// What a key is for. A key has one role only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// It owns an account.
    Account,
    /// It votes.
    Validator,
    /// It is the network identity of a node.
    Node,
}

/// A key file as it was read: everything but the secret itself.
pub struct KeyFile {
    public_key: Option<PublicKey>,
    role: Option<KeyRole>,
    is_dev: bool,
    content: Content,
}

/// What stands between the PEM lines.
enum Content {
    Plain(SecretDocument),
    Encrypted(SecretDocument),
    Public,
}

/// Why a key file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It has another form.
    #[error("this is no key file: {reason}")]
    Malformed {
        /// What was met.
        reason: String,
    },
    /// It holds a key of another kind.
    #[error("the key is no Ed25519 key")]
    OtherAlgorithm,
    /// It holds a public key only.
    #[error("the file holds a public key, the secret key is needed")]
    NoSecret,
    /// It is encrypted and no password was given.
    #[error("the key is encrypted and no password was given")]
    PasswordNeeded,
    /// The password does not open it.
    #[error("the password is wrong, or the encrypted part of the file is damaged")]
    WrongPassword,
    /// The password opened it, and the key is not the one that the file names.
    #[error("the file says that the public key is {stated}, but the key inside is {inside}")]
    OtherKey {
        /// What the file says.
        stated: PublicKey,
        /// The public key of the key inside.
        inside: PublicKey,
    },
    /// The file demands more work than we are ready to do.
    #[error("the file demands too much memory or time to open")]
    TooCostly,
    /// A key of a development network was to be used on another.
    #[error("this is a DEV key: everybody can derive it")]
    DevKey,
    /// The key could not be encoded or encrypted.
    #[error("cannot write the key: {reason}")]
    Seal {
        /// What the library said.
        reason: String,
    },
    /// The system gave no random numbers.
    #[error("the system has no random numbers")]
    Random,
}

impl Password {
    /// A password, if it is not empty.
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }

    /// Whether two passwords are the same, as when one is typed twice.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl KeyRole {
    /// The role's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Validator => "validator",
            Self::Node => "node",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Account, Self::Validator, Self::Node].into_iter().find(|role| role.as_str() == text)
    }
}

impl KeyFile {
    /// Reads the text of a key file, without its secret. Files of other programs, which have no lines before the PEM
    /// part, are read as well.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let begin = text.find("-----BEGIN ").ok_or_else(|| malformed("there is no line -----BEGIN …-----"))?;
        let (head, pem) = text.split_at(begin);
        let (label, document) = SecretDocument::from_pem(pem.trim_end()).map_err(malformed)?;
        let mut file = Self { public_key: None, role: None, is_dev: false, content: Content::Public };
        file.read_head(head)?;
        match label {
            LABEL_PLAIN => file.content = Content::Plain(document),
            LABEL_ENCRYPTED => file.content = Content::Encrypted(document),
            LABEL_PUBLIC => file.agree_on(public_key_of(document.as_bytes())?)?,
            _ => return Err(malformed(format!("it holds a {}", label.to_lowercase()))),
        }
        if let Content::Plain(document) = &file.content {
            let inside = secret_key_of(document.as_bytes())?.public_key();
            file.agree_on(inside)?;
        }
        Ok(file)
    }

    /// The text of a file that holds this key.
    pub fn seal(
        key: &SecretKey,
        role: KeyRole,
        is_dev: bool,
        protection: Protection<'_>,
    ) -> Result<Zeroizing<String>, KeyFileError> {
        let mut octets = Zeroizing::new([0u8; 34]);
        let (prefix, seed) = octets.split_at_mut(2);
        // The key is an OCTET STRING of 32 bytes within the OCTET STRING of PKCS#8 (RFC 8410, section 7).
        prefix.copy_from_slice(&[0x04, 0x20]);
        seed.copy_from_slice(key.seed());
        let private_key = OctetStringRef::new(octets.as_ref()).map_err(unsealed)?;
        let algorithm = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
        let info = PrivateKeyInfoRef::new(algorithm, private_key);
        let (label, document) = match protection {
            Protection::None => (LABEL_PLAIN, SecretDocument::try_from(&info).map_err(unsealed)?),
            Protection::Password(password) => {
                let parameters = encryption_parameters()?;
                let document = info.encrypt_with_params(parameters, password.as_bytes()).map_err(unsealed)?;
                (LABEL_ENCRYPTED, document)
            }
        };
        let pem = document.to_pem(label, LineEnding::LF).map_err(unsealed)?;
        let head = head(&key.public_key(), Some(role), is_dev);
        let mut text = Zeroizing::new(String::with_capacity(head.len() + pem.len()));
        text.push_str(&head);
        text.push_str(&pem);
        Ok(text)
    }

    /// The text of a file that holds the public key only.
    pub fn public_text(key: &PublicKey, role: Option<KeyRole>, is_dev: bool) -> Result<String, KeyFileError> {
        let algorithm = AlgorithmIdentifier::<pkcs8::der::asn1::AnyRef<'_>> { oid: ED25519, parameters: None };
        let subject_public_key = BitStringRef::from_bytes(key.as_bytes()).map_err(unsealed)?;
        let info = SubjectPublicKeyInfo { algorithm, subject_public_key };
        Ok(head(key, role, is_dev) + &info.to_pem(LineEnding::LF).map_err(unsealed)?)
    }

    /// The public key, if the file tells it without a password.
    pub const fn public_key(&self) -> Option<PublicKey> {
        self.public_key
    }

    /// What the key is for, if the file says so.
    pub const fn role(&self) -> Option<KeyRole> {
        self.role
    }

    /// Whether this is a key of a development network.
    pub const fn is_dev(&self) -> bool {
        self.is_dev
    }

    /// Whether a password is needed.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.content, Content::Encrypted(_))
    }

    /// Whether the file holds a secret, encrypted or not.
    pub const fn is_secret(&self) -> bool {
        !matches!(self.content, Content::Public)
    }

    /// Refuses a key of a development network where the chain is another one.
    pub const fn check_chain(&self, is_dev_chain: bool) -> Result<(), KeyFileError> {
        if self.is_dev && !is_dev_chain { Err(KeyFileError::DevKey) } else { Ok(()) }
    }

    /// The secret key, after comparing it with what the file says about it.
    pub fn open(&self, password: Option<&Password>) -> Result<SecretKey, KeyFileError> {
        let key = match &self.content {
            Content::Public => return Err(KeyFileError::NoSecret),
            Content::Plain(document) => secret_key_of(document.as_bytes())?,
            Content::Encrypted(document) => {
                decrypt(document.as_bytes(), password.ok_or(KeyFileError::PasswordNeeded)?)?
            }
        };
        match self.public_key {
            Some(stated) if stated != key.public_key() => {
                Err(KeyFileError::OtherKey { stated, inside: key.public_key() })
            }
            _ => Ok(key),
        }
    }

    /// Reads the lines before the PEM part. Lines of other programs are passed over.
    fn read_head(&mut self, head: &str) -> Result<(), KeyFileError> {
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            let is_repeated = match name {
                "public-key" => {
                    let key: PublicKey = value.parse().map_err(malformed)?;
                    key.check().map_err(malformed)?;
                    self.public_key.replace(key).is_some()
                }
                "role" => {
                    let role = KeyRole::parse(value).ok_or_else(|| malformed("its role is unknown"))?;
                    self.role.replace(role).is_some()
                }
                "network" if value == "DEV" => std::mem::replace(&mut self.is_dev, true),
                _ => false,
            };
            if is_repeated {
                return Err(malformed(format!("the line {name} stands twice")));
            }
        }
        Ok(())
    }

    fn agree_on(&mut self, inside: PublicKey) -> Result<(), KeyFileError> {
        match self.public_key {
            Some(stated) if stated != inside => Err(KeyFileError::OtherKey { stated, inside }),
            _ => {
                self.public_key = Some(inside);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile(of {:?})", self.public_key)
    }
}

fn malformed(reason: impl ToString) -> KeyFileError {
    KeyFileError::Malformed { reason: reason.to_string() }
}

fn unsealed(reason: impl ToString) -> KeyFileError {
    KeyFileError::Seal { reason: reason.to_string() }
}

/// The lines that anybody can read.
fn head(key: &PublicKey, role: Option<KeyRole>, is_dev: bool) -> String {
    let role = role.map_or_else(String::new, |role| format!("role: {}\n", role.as_str()));
    let network = if is_dev { "network: DEV\n" } else { "" };
    format!("public-key: {key}\n{role}{network}")
}

fn encryption_parameters() -> Result<pbes2::Parameters, KeyFileError> {
    let (mut salt, mut iv) = ([0u8; 16], [0u8; 16]);
    getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut iv)).map_err(|_| KeyFileError::Random)?;
    let scrypt = pkcs5::scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).map_err(unsealed)?;
    pbes2::Parameters::generate_scrypt_aes256cbc(scrypt, &salt, iv).map_err(unsealed)
}

/// Decrypts. With a wrong password the padding is wrong almost always, and otherwise what comes out is no key.
fn decrypt(der: &[u8], password: &Password) -> Result<SecretKey, KeyFileError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(malformed)?;
    check_cost(&info.encryption_algorithm)?;
    match info.decrypt(password.as_bytes()) {
        Ok(document) => secret_key_of(document.as_bytes()).map_err(|error| match error {
            KeyFileError::OtherAlgorithm => error,
            _ => KeyFileError::WrongPassword,
        }),
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { oid })) => {
            Err(malformed(format!("it is encrypted with {oid}, which is not read here")))
        }
        Err(_) => Err(KeyFileError::WrongPassword),
    }
}

fn check_cost(scheme: &pkcs5::EncryptionScheme) -> Result<(), KeyFileError> {
    let kdf = scheme.pbes2().map(|parameters| &parameters.kdf);
    let is_costly = match (kdf.and_then(|kdf| kdf.scrypt()), kdf.and_then(|kdf| kdf.pbkdf2())) {
        (Some(scrypt), _) => {
            // The library behind takes these for granted, and panics.
            let is_power = scrypt.cost_parameter > 1 && scrypt.cost_parameter.is_power_of_two();
            if !is_power || scrypt.block_size == 0 || scrypt.parallelization == 0 {
                return Err(malformed("its scrypt parameters are impossible"));
            }
            let memory = u128::from(scrypt.cost_parameter) * u128::from(scrypt.block_size);
            let work = memory * u128::from(scrypt.parallelization);
            work > u128::from(SCRYPT_COST_MAX) || scrypt.parallelization > SCRYPT_P_MAX
        }
        (None, Some(pbkdf2)) if pbkdf2.iteration_count == 0 => {
            return Err(malformed("its PBKDF2 has no rounds"));
        }
        (None, Some(pbkdf2)) => pbkdf2.iteration_count > PBKDF2_ROUNDS_MAX,
        (None, None) => return Err(malformed("it is encrypted in a way that is not read here")),
    };
    if is_costly { Err(KeyFileError::TooCostly) } else { Ok(()) }
}

/// The key in a PKCS#8 document of version 1 or 2. A public key in it must be its own.
fn secret_key_of(der: &[u8]) -> Result<SecretKey, KeyFileError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(malformed)?;
    if info.algorithm.oid != ED25519 {
        return Err(KeyFileError::OtherAlgorithm);
    }
    let seed = info.private_key.as_bytes().strip_prefix(&[0x04, 0x20]).and_then(|seed| seed.try_into().ok());
    let key = SecretKey::from_seed(seed.ok_or_else(|| malformed("the key is not 32 bytes long"))?);
    match info.public_key.map(|stated| stated.as_bytes()) {
        Some(stated) if stated != Some(key.public_key().as_bytes().as_slice()) => {
            Err(malformed("the public key in the document is not that of the secret key"))
        }
        _ => Ok(key),
    }
}

fn public_key_of(der: &[u8]) -> Result<PublicKey, KeyFileError> {
    let info = SubjectPublicKeyInfo::<pkcs8::der::asn1::AnyRef<'_>, BitStringRef<'_>>::from_der(der);
    let info = info.map_err(malformed)?;
    if info.algorithm.oid != ED25519 {
        return Err(KeyFileError::OtherAlgorithm);
    }
    let bytes = info.subject_public_key.as_bytes().and_then(|bytes| bytes.try_into().ok());
    let key = PublicKey::Ed25519(bytes.ok_or_else(|| malformed("the key is not 32 bytes long"))?);
    key.check().map_err(malformed)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
