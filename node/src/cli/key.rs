//! `althing key`: keys of accounts, validators and nodes in the keystore, and on their way in and out of it.

use std::path::{Path, PathBuf};

use althing_types::{Address, AddressPrefix, AuthPolicy, PublicKey, SecretKey};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, list, table};
use crate::cli::password::{self, NewPassword, protection};
use crate::files::{self, Access, Existing};
use crate::keys::{self, KeyFile, KeyRole, KeyStore};

/// A seed in hexadecimal is 64 digits, with room for `0x` and a line feed.
const SEED_FILE_BYTES_MAX: usize = 80;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new key in the keystore
    #[command(after_help = "Examples:
  althing key new alice
  althing key new org-1-validator --role validator --password-file password.txt
  althing key new org-1-node --role node --insecure-no-password

A key has one role. Without --password-file the password is asked for on the terminal.
The file is a PKCS#8 PEM that OpenSSL reads: openssl pkey -in FILE -passin file:password.txt -noout -text")]
    New(New),
    /// Show a public key and its address; needs no password
    #[command(after_help = "Examples:
  althing key show alice
  althing key show ./DEV-account-0.pem --prefix talt")]
    Show(Show),
    /// List the keys of the keystore; needs no password
    List(List),
    /// Take a key from a file into the keystore
    #[command(after_help = "Examples:
  althing key import old.pem --name alice --password-file password.txt
  althing key import --seed-hex-file seed.txt --name bob --insecure-no-password

PKCS#8 PEM files of version 1 and 2 are read, encrypted or not, for example those of `openssl genpkey -algorithm ed25519`.")]
    Import(Import),
    /// Write a key from the keystore to a file, or its public key to standard output
    #[command(after_help = "Examples:
  althing key export alice --public
  althing key export alice --to backup.pem --open-with old.txt --password-file new.txt")]
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The name of the key
    name: String,
    /// What the key is for
    #[arg(long, value_enum, default_value_t = RoleArgument::Account)]
    role: RoleArgument,
    #[command(flatten)]
    password: NewPassword,
    #[command(flatten)]
    prefix: Prefix,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A name in the keystore, or a file: a text with a slash, or one that ends in .pem
    key: String,
    #[command(flatten)]
    prefix: Prefix,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    prefix: Prefix,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The PKCS#8 PEM file
    #[arg(required_unless_present = "seed_hex_file", conflicts_with = "seed_hex_file")]
    file: Option<PathBuf>,
    /// A file with the 32 bytes of the seed in hexadecimal, in place of a PEM file
    #[arg(long, value_name = "FILE", requires = "name")]
    seed_hex_file: Option<PathBuf>,
    /// The name in the keystore [default: the name of the file]
    #[arg(long)]
    name: Option<String>,
    /// What the key is for [default: what the file says, otherwise account]
    #[arg(long, value_enum)]
    role: Option<RoleArgument>,
    /// The password of the file that is read
    #[arg(long, value_name = "FILE")]
    open_with: Option<PathBuf>,
    #[command(flatten)]
    password: NewPassword,
    #[command(flatten)]
    prefix: Prefix,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// A name in the keystore, or a file
    key: String,
    /// Write the public key to standard output
    #[arg(long, required_unless_present = "to", conflicts_with_all = ["to", "open_with", "password_file", "insecure_no_password"])]
    public: bool,
    /// Write the secret key to this file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The password of the key that is read
    #[arg(long, value_name = "FILE")]
    open_with: Option<PathBuf>,
    #[command(flatten)]
    password: NewPassword,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// How addresses are shown.
#[derive(Debug, Args)]
pub(crate) struct Prefix {
    /// How addresses of the chain begin: alt, talt on development networks, or what its genesis says
    #[arg(long = "prefix", value_name = "PREFIX", default_value = "alt", value_parser = parse_prefix)]
    prefix: AddressPrefix,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleArgument {
    /// It owns an account
    Account,
    /// It votes
    Validator,
    /// It is the network identity of a node
    Node,
}

impl From<RoleArgument> for KeyRole {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Account => Self::Account,
            RoleArgument::Validator => Self::Validator,
            RoleArgument::Node => Self::Node,
        }
    }
}

fn parse_prefix(text: &str) -> Result<AddressPrefix, String> {
    AddressPrefix::new(text).map_err(|error| error.to_string())
}

pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    let keys = Keys::new(home);
    match command {
        Command::New(arguments) => new(&arguments, &keys, output),
        Command::Show(arguments) => show(&arguments, &keys, output),
        Command::List(arguments) => show_all(&arguments, &keys, output),
        Command::Import(arguments) => import(&arguments, &keys, output),
        Command::Export(arguments) => export(&arguments, &keys, output),
    }?;
    Ok(Exit::Done)
}

/// Where keys are found: the keystore of the home folder, and files.
pub(crate) struct Keys(Option<PathBuf>);

impl Keys {
    pub(crate) fn new(home: Option<PathBuf>) -> Self {
        Self(home.or_else(|| std::env::home_dir().map(|user| user.join(".althing"))))
    }

    fn store(&self) -> Result<KeyStore, Failure> {
        let home = self.0.as_deref().ok_or_else(|| {
            Failure::usage("there is no home folder to keep keys in").hint("give --home DIR or set ALTHING_HOME")
        })?;
        Ok(KeyStore::new(home))
    }

    /// The file that a name or path means.
    pub(crate) fn path(&self, text: &str) -> Result<PathBuf, Failure> {
        if text.contains('/') || text.ends_with(".pem") {
            return Ok(PathBuf::from(text));
        }
        Ok(self.store()?.path(text)?)
    }

    /// The key file that a name or path means, and where it is.
    pub(crate) fn load(&self, text: &str) -> Result<(PathBuf, KeyFile), Failure> {
        let path = self.path(text)?;
        let file = keys::load(&path).map_err(|error| {
            let failure = Failure::from(error);
            let is_name = !text.contains('/') && failure.exit() == Exit::NotFound;
            if is_name { failure.hint("`althing key list` shows the keys of the keystore") } else { failure }
        })?;
        Ok((path, file))
    }

    /// The secret key that a name or path means.
    pub(crate) fn open(&self, text: &str, password: Option<&Path>) -> Result<(KeyFile, SecretKey), Failure> {
        let (path, file) = self.load(text)?;
        let password = password::for_opening(&file, &path, password)?;
        let key = file.open(password.as_ref()).map_err(|error| Failure::of_key(&path, &error))?;
        Ok((file, key))
    }
}

fn new(arguments: &New, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let store = keys.store()?;
    refuse_existing(&store.path(&arguments.name)?)?;
    let password = arguments.password.obtain(&arguments.name)?;
    let key =
        keys::generate().map_err(|error| Failure::of_key(&store.path(&arguments.name).unwrap_or_default(), &error))?;
    let kept = Kept { name: &arguments.name, role: arguments.role.into(), is_dev: false };
    keep(&store, &kept, &key, password.as_ref(), &arguments.prefix.prefix, output)
}

/// A key that goes into the keystore.
struct Kept<'a> {
    name: &'a str,
    role: KeyRole,
    is_dev: bool,
}

fn keep(
    store: &KeyStore,
    kept: &Kept<'_>,
    key: &SecretKey,
    password: Option<&keys::Password>,
    prefix: &AddressPrefix,
    output: &Output,
) -> Result<(), Failure> {
    let path = store.path(kept.name)?;
    let text = KeyFile::seal(key, kept.role, kept.is_dev, protection(password));
    let text = text.map_err(|error| Failure::of_key(&path, &error))?;
    store.save(kept.name, &text)?;
    if password.is_none() {
        output.note("note: the key is kept in the clear; whoever reads the file has the key");
    }
    let file = keys::load(&path)?;
    let facts = Facts::of(kept.name, &path, &file, prefix);
    output.either(|| facts.to_list(), facts.to_json())
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    // Before a password is asked for; the write itself refuses as well.
    if path.exists() { Err(crate::keys::FileError::Exists { path: path.to_owned() }.into()) } else { Ok(()) }
}

fn show(arguments: &Show, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let (path, file) = keys.load(&arguments.key)?;
    let facts = Facts::of(&arguments.key, &path, &file, &arguments.prefix.prefix);
    if facts.public_key.is_none() {
        return Err(Failure::new(Exit::Key, "KEY_FORMAT", format!("{} does not tell its public key", path.display()))
            .hint("take it into the keystore with `althing key import`"));
    }
    output.either(|| facts.to_list(), facts.to_json())
}

fn show_all(arguments: &List, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let store = keys.store()?;
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for name in store.names()? {
        let path = store.path(&name)?;
        match keys::load(&path) {
            Ok(file) => all.push(Facts::of(&name, &path, &file, &arguments.prefix.prefix)),
            Err(error) => {
                let failure = Failure::from(error);
                output.note(&format!("note: {}", failure.message()));
                unreadable.push(json!({ "name": name, "symbol": failure.symbol(), "message": failure.message() }));
            }
        }
    }
    if all.is_empty() {
        output.note("note: the keystore holds no readable key; `althing key new NAME` makes one");
    }
    let human = || {
        let rows: Vec<Vec<String>> = all.iter().map(Facts::to_row).collect();
        if rows.is_empty() {
            String::new()
        } else {
            table(&["name", "role", "encrypted", "public key", "address"], &rows)
        }
    };
    output
        .either(human, json!({ "keys": all.iter().map(Facts::to_json).collect::<Vec<_>>(), "unreadable": unreadable }))
}

fn import(arguments: &Import, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let store = keys.store()?;
    let stem = arguments.file.as_ref().and_then(|file| file.file_stem()?.to_str().map(str::to_owned));
    let name = arguments.name.clone().or(stem).ok_or_else(|| Failure::usage("give the key a --name"))?;
    refuse_existing(&store.path(&name)?)?;
    let (key, said, is_dev) = match (&arguments.seed_hex_file, &arguments.file) {
        (Some(path), _) => (seed_from(path)?, None, false),
        (None, Some(path)) => {
            let file = keys::load(path)?;
            let password = password::for_opening(&file, path, arguments.open_with.as_deref())?;
            let key = file.open(password.as_ref()).map_err(|error| Failure::of_key(path, &error))?;
            (key, file.role(), file.is_dev())
        }
        (None, None) => return Err(Failure::usage("give a FILE or --seed-hex-file FILE")),
    };
    let wanted = arguments.role.map(KeyRole::from);
    let role = match (said, wanted) {
        (Some(said), Some(wanted)) if said != wanted => {
            let message = format!("the file holds a key for the role {}, not {}", said.as_str(), wanted.as_str());
            return Err(Failure::new(Exit::Key, "KEY_ROLE", message).hint("make a key for each role"));
        }
        (Some(role), _) | (None, Some(role)) => role,
        (None, None) => KeyRole::Account,
    };
    let password = arguments.password.obtain(&name)?;
    let kept = Kept { name: &name, role, is_dev };
    keep(&store, &kept, &key, password.as_ref(), &arguments.prefix.prefix, output)
}

/// Reads a seed in hexadecimal, with or without `0x`.
fn seed_from(path: &Path) -> Result<SecretKey, Failure> {
    let (bytes, mode) = files::read_noting_access(path, SEED_FILE_BYTES_MAX)?;
    mode.check()?;
    let digits = bytes.trim_ascii();
    let mut seed = Zeroizing::new([0u8; 32]);
    const_hex::decode_to_slice(digits, seed.as_mut()).map_err(|_| {
        let message = format!("{}: a seed is 64 hexadecimal digits", path.display());
        Failure::new(Exit::Key, "KEY_FORMAT", message)
    })?;
    Ok(SecretKey::from_seed(&seed))
}

fn export(arguments: &Export, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let Some(target) = &arguments.to else { return export_public(arguments, keys, output) };
    let existing = Existing::from_force(arguments.force);
    if existing == Existing::Keep {
        refuse_existing(target)?;
    }
    let (file, key) = keys.open(&arguments.key, arguments.open_with.as_deref())?;
    let password = arguments.password.obtain(&target.display().to_string())?;
    let role = file.role().unwrap_or(KeyRole::Account);
    let text = KeyFile::seal(&key, role, file.is_dev(), protection(password.as_ref()));
    let text = text.map_err(|error| Failure::of_key(target, &error))?;
    files::write(target, text.as_bytes(), Access::Secret, existing)?;
    let fields = json!({
        "publicKey": key.public_key().to_string(),
        "file": target.display().to_string(),
        "encrypted": password.is_some(),
    });
    output.either(|| format!("wrote {}\n", target.display()), fields)
}

fn export_public(arguments: &Export, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let (path, file) = keys.load(&arguments.key)?;
    let public_key = file.public_key().ok_or_else(|| {
        Failure::new(Exit::Key, "KEY_FORMAT", format!("{} does not tell its public key", path.display()))
    })?;
    let text = KeyFile::public_text(&public_key, file.role(), file.is_dev());
    let text = text.map_err(|error| Failure::of_key(&path, &error))?;
    let fields = json!({ "publicKey": public_key.to_string(), "role": file.role().map(KeyRole::as_str), "pem": text });
    output.either(|| text.clone(), fields)
}

/// What is shown of a key.
struct Facts {
    name: String,
    file: String,
    public_key: Option<PublicKey>,
    role: Option<KeyRole>,
    address: Option<String>,
    is_encrypted: bool,
    is_dev: bool,
}

impl Facts {
    fn of(name: &str, path: &Path, file: &KeyFile, prefix: &AddressPrefix) -> Self {
        let is_account = matches!(file.role(), None | Some(KeyRole::Account));
        let key = file.public_key().filter(|_| is_account);
        Self {
            name: name.to_owned(),
            file: path.display().to_string(),
            public_key: file.public_key(),
            role: file.role(),
            address: key.map(|key| Address::of_policy(&AuthPolicy::Key(key)).to_text(prefix)),
            is_encrypted: file.is_encrypted(),
            is_dev: file.is_dev(),
        }
    }

    fn role_text(&self) -> String {
        let role = self.role.map_or("unknown", KeyRole::as_str);
        if self.is_dev { format!("{role}, DEV") } else { role.to_owned() }
    }

    fn key_text(&self) -> String {
        self.public_key.map_or_else(String::new, |key| key.to_string())
    }

    fn to_row(&self) -> Vec<String> {
        let encrypted = if self.is_encrypted { "yes" } else { "no" };
        let address = self.address.clone().unwrap_or_default();
        vec![self.name.clone(), self.role_text(), encrypted.to_owned(), self.key_text(), address]
    }

    fn to_list(&self) -> String {
        let mut pairs = vec![("name", self.name.clone()), ("role", self.role_text()), ("public key", self.key_text())];
        pairs.extend(self.address.clone().map(|address| ("address", address)));
        pairs.push(("file", self.file.clone()));
        list(&pairs)
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "role": self.role.map(KeyRole::as_str),
            "publicKey": self.key_text(),
            "address": self.address,
            "file": self.file,
            "encrypted": self.is_encrypted,
            "dev": self.is_dev,
        })
    }
}
