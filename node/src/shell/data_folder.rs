//! The folder that a node keeps its data in: locked against a second process, and bound to one chain and one node.
//!
//! ```text
//! data/LOCK       held by the process that uses the folder
//! data/version    the layout's version, the chain and the node, readable by people
//! data/db/        the ledger's store
//! data/db.joining/  a store that is being built of a snapshot; db.before/ the one that it took the place of, and db.rubbish/
//!                 one that is given up, both for a moment; db.fresh/ an empty one that is about to replace a damaged one
//! data/NAME.damaged-N   a part that `althing repair` found damaged and put another in the place of; nobody reads it
//! data/votes/     the log of consensus: what this validator said; an observer has none
//! data/batches/   the log of batches that are not committed yet; an observer has none
//! data/fork-evidence-VIEW.json   proof of a fork, if this validator found one; while it is there it does not start
//! ```
//!
//! The file `version` is compared before anything else is opened, so that a folder of another chain, node or layout
//! is refused before a byte of it is read or written. It is written once the store and both logs exist, before anything
//! is signed. So where it is there and one of them is not, something was lost, and the folder is refused: whoever went
//! on would not know what it has said (rule D10).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use althing_types::{Hash, PublicKey};
use rustix::fs::{FlockOperation, flock};

use super::fork_file;
use crate::files::{self, Access, Existing, FileError};

/// The version of the layout.
const LAYOUT_VERSION: u32 = 1;
/// What stands before a validator's key.
const VALIDATOR: &str = "validator";
/// What stands before an observer's node key.
const OBSERVER: &str = "observer";
/// How often a part can be set aside before an operator has to clear away.
const SET_ASIDE_MAX: u32 = 1_000;
/// Bytes of the version file at most.
const VERSION_BYTES_MAX: usize = 4_096;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another process uses it.
    #[error("{} is in use by another process", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// It holds the data of another chain.
    #[error("{} holds data of the chain with genesis {found}, the genesis document given is {expected}", folder.display())]
    OtherChain {
        /// The folder.
        folder: PathBuf,
        /// The genesis hash that it is bound to.
        found: String,
        /// The genesis hash of the document.
        expected: Hash,
    },
    /// It holds the data of another node.
    #[error("{} belongs to the {role} {found}, and this is the {expected}", folder.display())]
    OtherNode {
        /// The folder.
        folder: PathBuf,
        /// Whether it is bound to a validator or to an observer.
        role: &'static str,
        /// The key that it is bound to.
        found: String,
        /// The node that asked for it.
        expected: Owner,
    },
    /// It was laid out by another version of the program.
    #[error("{} has layout version {found}, this program knows version {known}", folder.display())]
    Version {
        /// The folder.
        folder: PathBuf,
        /// The version that it has.
        found: String,
        /// The version that this program knows.
        known: u32,
    },
    /// It is not empty, and not a data folder.
    #[error("{} holds files and is no data folder", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// A part of it is gone.
    #[error("{} was in use before, and {} is gone or empty", folder.display(), part.display())]
    Lost {
        /// The folder.
        folder: PathBuf,
        /// What is gone.
        part: PathBuf,
    },
    /// It was never begun for a validator.
    #[error("{} holds no data of this validator", folder.display())]
    NotBegun {
        /// The folder.
        folder: PathBuf,
    },
    /// It was to be begun, and was in use before.
    #[error("{} was begun before: this validator has run", folder.display())]
    Begun {
        /// The folder.
        folder: PathBuf,
    },
    /// It holds the proof of a fork.
    #[error("{} proves that more than f validators broke the rules; this node votes no more", file.display())]
    Fork {
        /// The proof.
        file: PathBuf,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whose data a folder holds. The two kinds never share one: an observer has no log of what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The validator with this key.
    Validator(PublicKey),
    /// The observer with this node key.
    Observer(PublicKey),
}

impl Owner {
    /// What stands before the key in the version file.
    const fn role(&self) -> &'static str {
        match self {
            Self::Validator(_) => VALIDATOR,
            Self::Observer(_) => OBSERVER,
        }
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        match self {
            Self::Validator(key) | Self::Observer(key) => key,
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.role(), self.key())
    }
}

/// A data folder that this process holds. The lock goes with the process, however it ends.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    owner: Owner,
    /// Whether it was bound before this process took it.
    was_bound: bool,
    _lock: File,
}

/// What a folder that is examined is bound to.
#[derive(Debug)]
pub(crate) enum Binding {
    /// The chain and the node that are given.
    Fits,
    /// Nothing: there is no file that says so.
    Missing,
    /// Something else, or nothing that makes sense.
    Differs(DataError),
}

impl DataFolder {
    /// Takes the folder for a chain and a node; makes it if it is not there.
    pub(crate) fn open(path: &Path, chain: &Hash, owner: Owner) -> Result<Self, DataError> {
        create(path)?;
        let mut folder = Self::locked(path, owner)?;
        folder.was_bound = folder.compare(chain)?;
        folder.settle()?;
        Ok(folder)
    }

    /// Takes a folder that is there to examine it, whatever it is bound to, and changes nothing in it.
    pub(crate) fn take(path: &Path, chain: &Hash, owner: Owner) -> Result<(Self, Binding), DataError> {
        if !is_there(path)? {
            return Err(DataError::NotBegun { folder: path.to_owned() });
        }
        let mut folder = Self::locked(path, owner)?;
        let binding = match folder.compare(chain) {
            Ok(true) => Binding::Fits,
            Ok(false) => Binding::Missing,
            Err(
                error @ (DataError::Version { .. }
                | DataError::OtherChain { .. }
                | DataError::OtherNode { .. }
                | DataError::File(FileError::TooLarge { .. })),
            ) => Binding::Differs(error),
            Err(error) => return Err(error),
        };
        folder.was_bound = matches!(binding, Binding::Fits);
        Ok((folder, binding))
    }

    fn locked(path: &Path, owner: Owner) -> Result<Self, DataError> {
        refuse_foreign(path)?;
        let lock_path = path.join("LOCK");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(io_error("open", &lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), owner, was_bound: false, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DataError::InUse { folder: path.to_owned() }),
            Err(error) => Err(io_error("lock", &lock_path)(error.into())),
        }
    }

    /// Whose it is.
    pub(crate) const fn owner(&self) -> Owner {
        self.owner
    }

    /// Refuses a folder that was in use and lacks its store, or one of a validator's logs. What a disk does not let us
    /// look for is not lost.
    pub(crate) fn refuse_lost_parts(&self) -> Result<(), DataError> {
        let lost = |part: PathBuf| Err(DataError::Lost { folder: self.path.clone(), part });
        if !self.was_bound {
            return Ok(());
        }
        if !is_there(&self.db().join("CURRENT"))? {
            return lost(self.db());
        }
        self.refuse_lost_logs()
    }

    /// Refuses a validator's folder that was in use and lacks one of its logs.
    pub(crate) fn refuse_lost_logs(&self) -> Result<(), DataError> {
        let lost = |part: PathBuf| Err(DataError::Lost { folder: self.path.clone(), part });
        if !self.was_bound {
            return Ok(());
        }
        let logs = match self.owner {
            Owner::Validator(_) => vec![self.votes(), self.batches()],
            Owner::Observer(_) => Vec::new(),
        };
        for log in logs {
            if !has_segment(&log)? {
                return lost(log);
            }
        }
        Ok(())
    }

    /// Refuses a validator's folder that nobody began: what the validator signed may have been in another one (D10).
    pub(crate) fn refuse_not_begun(&self) -> Result<(), DataError> {
        if self.was_bound { Ok(()) } else { Err(DataError::NotBegun { folder: self.path.clone() }) }
    }

    /// Refuses to begin a folder that was in use.
    pub(crate) fn refuse_begun(&self) -> Result<(), DataError> {
        if self.was_bound { Err(DataError::Begun { folder: self.path.clone() }) } else { Ok(()) }
    }

    /// Refuses a folder in which a fork is proven (rule R10): whoever went on would choose a side.
    pub(crate) fn refuse_fork(&self) -> Result<(), DataError> {
        let proof = fork_file::in_folder(&self.path).map_err(io_error("list", &self.path))?;
        proof.map_or(Ok(()), |file| Err(DataError::Fork { file }))
    }

    /// Binds a new folder to its chain and node. From here on it counts as used.
    pub(crate) fn bind(&self, chain: &Hash) -> Result<(), DataError> {
        if self.was_bound {
            return Ok(());
        }
        let text = format!("version: {LAYOUT_VERSION}\nchain: {chain}\n{}: {}\n", self.owner.role(), self.owner.key());
        Ok(files::write(&self.path.join("version"), text.as_bytes(), Access::Public, Existing::Keep)?)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The ledger's store.
    pub(crate) fn db(&self) -> PathBuf {
        self.path.join("db")
    }

    /// Whether there is a ledger's store.
    pub(crate) fn has_ledger(&self) -> Result<bool, DataError> {
        is_there(&self.db().join("CURRENT"))
    }

    /// A store that is being built of a snapshot.
    pub(crate) fn joining(&self) -> PathBuf {
        self.path.join("db.joining")
    }

    /// The store that one which was built takes the place of.
    fn before(&self) -> PathBuf {
        self.path.join("db.before")
    }

    /// Puts the store that was built of a snapshot in the place of the ledger's, which is removed. A crash in between is made up
    /// for by [`DataFolder::settle`].
    pub(crate) fn take_joined(&self) -> Result<(), DataError> {
        remove_folder(&self.before())?;
        if is_there(&self.db())? {
            self.rename(&self.db(), &self.before())?;
        }
        self.rename(&self.joining(), &self.db())?;
        remove_folder(&self.before())
    }

    /// Ends what a crash left half done where one store was to take the place of another.
    pub(crate) fn settle(&self) -> Result<(), DataError> {
        if !is_there(&self.before())? {
            return Ok(());
        }
        // The old store is moved away only when the new one is whole.
        if !is_there(&self.db())? {
            let whole = if is_there(&self.joining())? { self.joining() } else { self.before() };
            self.rename(&whole, &self.db())?;
        }
        remove_folder(&self.before())
    }

    /// Removes what was built of a snapshot so far: whole or not at all, because half a store cannot be opened.
    pub(crate) fn forget_joining(&self) -> Result<(), DataError> {
        let rubbish = self.path.join("db.rubbish");
        remove_folder(&rubbish)?;
        if is_there(&self.joining())? {
            self.rename(&self.joining(), &rubbish)?;
        }
        remove_folder(&rubbish)
    }

    /// Whether one store was about to take the place of another, and neither is in it.
    pub(crate) fn is_between_stores(&self) -> Result<bool, DataError> {
        Ok(is_there(&self.before())? && !is_there(&self.db())?)
    }

    /// An empty store that is about to take the place of a damaged one.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.path.join("db.fresh")
    }

    /// Removes an empty store that never came into its place.
    pub(crate) fn forget_fresh(&self) -> Result<(), DataError> {
        remove_folder(&self.fresh())
    }

    /// Puts the empty store in the place of the ledger's, which was set aside.
    pub(crate) fn take_fresh(&self) -> Result<(), DataError> {
        self.rename(&self.fresh(), &self.db())
    }

    /// Gives a part another name, under which nobody looks for it: `NAME.damaged-1`, or the first number that is free. None if
    /// it is not there.
    pub(crate) fn set_aside(&self, name: &str) -> Result<Option<PathBuf>, DataError> {
        let from = self.path.join(name);
        if !is_there(&from)? {
            return Ok(None);
        }
        for number in 1..=SET_ASIDE_MAX {
            let to = self.path.join(format!("{name}.damaged-{number}"));
            if !is_there(&to)? {
                self.rename(&from, &to)?;
                return Ok(Some(to));
            }
        }
        let source = io::Error::other("too much of it was set aside before; move that away");
        Err(DataError::Io { action: "set aside", path: from, source })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DataError> {
        fs::rename(from, to).map_err(io_error("rename", from))?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(io_error("sync", &self.path))
    }

    /// The log of consensus.
    pub(crate) fn votes(&self) -> PathBuf {
        self.path.join("votes")
    }

    /// The log of batches.
    pub(crate) fn batches(&self) -> PathBuf {
        self.path.join("batches")
    }

    /// Compares the folder's binding with what is given; says whether there is one.
    fn compare(&self, chain: &Hash) -> Result<bool, DataError> {
        let bytes = match files::read(&self.path.join("version"), VERSION_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(FileError::Missing { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&bytes);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or("(nothing)").to_owned()
        };
        let folder = || self.path.clone();
        if value("version") != LAYOUT_VERSION.to_string() {
            return Err(DataError::Version { folder: folder(), found: value("version"), known: LAYOUT_VERSION });
        }
        if value("chain") != chain.to_string() {
            return Err(DataError::OtherChain { folder: folder(), found: value("chain"), expected: *chain });
        }
        let named =
            |role: &&str| text.lines().any(|line| line.strip_prefix(*role).is_some_and(|rest| rest.starts_with(": ")));
        let role = [VALIDATOR, OBSERVER].into_iter().find(named).unwrap_or(VALIDATOR);
        if (role, value(role)) != (self.owner.role(), self.owner.key().to_string()) {
            return Err(DataError::OtherNode { folder: folder(), role, found: value(role), expected: self.owner });
        }
        Ok(true)
    }
}

/// Makes a folder that is there after a power failure as well: the name of each new one is synced into its parent.
fn create(path: &Path) -> Result<(), DataError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    fs::create_dir_all(path).map_err(io_error("make the folder", path))?;
    for folder in missing {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(io_error("sync", parent))?;
    }
    Ok(())
}

/// A folder that holds something, and neither a lock nor a binding of ours, is somebody else's.
fn refuse_foreign(path: &Path) -> Result<(), DataError> {
    let mut entries = fs::read_dir(path).map_err(io_error("list", path))?;
    let first = entries.next().transpose().map_err(io_error("list", path))?;
    if first.is_some() && !is_there(&path.join("LOCK"))? && !is_there(&path.join("version"))? {
        return Err(DataError::Foreign { folder: path.to_owned() });
    }
    Ok(())
}

/// Removes a folder with all that is in it; one that is not there is no error.
fn remove_folder(path: &Path) -> Result<(), DataError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Whether a log's folder holds at least one segment.
fn has_segment(log: &Path) -> Result<bool, DataError> {
    let entries = match fs::read_dir(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries.map_err(io_error("list", log))?,
    };
    for entry in entries {
        if entry.map_err(io_error("list", log))?.file_name().to_string_lossy().starts_with("segment-") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there is such a file or folder. A disk that cannot say so fails.
fn is_there(path: &Path) -> Result<bool, DataError> {
    path.try_exists().map_err(io_error("look for", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataError {
    move |source| DataError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::SecretKey;

    fn validator(seed: u8) -> Owner {
        Owner::Validator(SecretKey::from_seed(&[seed; 32]).public_key())
    }

    /// Opens a folder and binds it, as a start does.
    fn bound(path: &Path, chain: &Hash, owner: Owner) -> Result<DataFolder, DataError> {
        let folder = DataFolder::open(path, chain, owner)?;
        folder.bind(chain)?;
        Ok(folder)
    }

    #[test]
    fn a_folder_is_bound_to_its_chain_and_node() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("data");
        let (chain, other) = (Hash::new([1; 32]), Hash::new([2; 32]));
        drop(bound(&path, &chain, validator(1)).expect("a new folder"));
        drop(bound(&path, &chain, validator(1)).expect("the same again"));
        assert!(matches!(bound(&path, &other, validator(1)), Err(DataError::OtherChain { .. })));
        assert!(matches!(bound(&path, &chain, validator(2)), Err(DataError::OtherNode { .. })));
        let observer = Owner::Observer(*validator(1).key());
        let error = bound(&path, &chain, observer).expect_err("an observer has no such folder");
        assert!(error.to_string().contains("belongs to the validator"), "{error}");
    }

    #[test]
    fn a_folder_with_the_proof_of_a_fork_is_refused_until_it_is_moved_away() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = bound(home.path(), &Hash::ZERO, validator(1)).expect("a new folder");
        folder.refuse_fork().expect("nothing is proven");
        let proof = home.path().join("fork-evidence-7.json");
        fs::write(&proof, "{}").expect("it can be written");
        let error = folder.refuse_fork().expect_err("a fork is proven");
        assert!(matches!(&error, DataError::Fork { file } if *file == proof), "{error}");
        fs::remove_file(proof).expect("it is there");
        folder.refuse_fork().expect("the operator decided");
    }

    #[test]
    fn an_observer_needs_no_logs_and_its_folder_is_no_validators() {
        let home = tempfile::tempdir().expect("a folder");
        let observer = Owner::Observer(*validator(1).key());
        let folder = bound(home.path(), &Hash::ZERO, observer).expect("a new folder");
        fs::create_dir_all(folder.db()).expect("it can be made");
        fs::write(folder.db().join("CURRENT"), "x").expect("it can be written");
        drop(folder);
        let folder = bound(home.path(), &Hash::ZERO, observer).expect("the same again");
        folder.refuse_lost_parts().expect("an observer has no logs to lose");
        fs::remove_file(folder.db().join("CURRENT")).expect("it is there");
        assert!(matches!(folder.refuse_lost_parts(), Err(DataError::Lost { .. })));
        drop(folder);
        let error = bound(home.path(), &Hash::ZERO, validator(1)).expect_err("a validator has another folder");
        assert!(error.to_string().contains("belongs to the observer"), "{error}");
    }

    #[test]
    fn a_folder_that_was_in_use_and_lost_a_part_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = bound(home.path(), &Hash::ZERO, validator(1)).expect("a new folder");
        folder.refuse_lost_parts().expect("what is new lacks everything");
        for part in [folder.db().join("CURRENT"), folder.votes().join("segment-1"), folder.batches().join("segment-1")]
        {
            fs::create_dir_all(part.parent().expect("it has one")).expect("it can be made");
            fs::write(part, "x").expect("it can be written");
        }
        drop(folder);
        for lost in ["db/CURRENT", "votes/segment-1", "batches/segment-1"] {
            let folder = bound(home.path(), &Hash::ZERO, validator(1)).expect("it is bound");
            folder.refuse_lost_parts().expect("nothing is lost");
            fs::remove_file(home.path().join(lost)).expect("it is there");
            assert!(matches!(folder.refuse_lost_parts(), Err(DataError::Lost { .. })), "{lost}");
            fs::write(home.path().join(lost), "x").expect("it can be written");
        }
    }

    #[test]
    fn what_cannot_be_looked_for_is_not_taken_for_lost() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = bound(home.path(), &Hash::ZERO, validator(1)).expect("a new folder");
        drop(folder);
        let folder = bound(home.path(), &Hash::ZERO, validator(1)).expect("it is bound");
        // A file where a folder should be stands for a disk that cannot be read: nobody can look into it.
        fs::write(folder.db(), "x").expect("it can be written");
        assert!(matches!(folder.refuse_lost_parts(), Err(DataError::Io { .. })), "of the store");
        fs::remove_file(folder.db()).expect("it is there");
        fs::create_dir(folder.db()).expect("it can be made");
        fs::write(folder.db().join("CURRENT"), "x").expect("it can be written");
        fs::write(folder.votes(), "x").expect("it can be written");
        assert!(matches!(folder.refuse_lost_parts(), Err(DataError::Io { .. })), "of a log");
    }

    #[test]
    fn a_crash_while_one_store_takes_the_place_of_another_leaves_one_of_the_two() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = bound(home.path(), &Hash::ZERO, validator(1)).expect("a new folder");
        let make = |path: PathBuf, name: &str| {
            fs::create_dir_all(&path).expect("it can be made");
            fs::write(path.join("CURRENT"), name).expect("it can be written");
        };
        let here = || fs::read_to_string(folder.db().join("CURRENT")).expect("it is there");
        make(folder.db(), "old");
        folder.settle().expect("there is nothing to do");
        make(folder.joining(), "half");
        folder.settle().expect("it is not whole");
        assert_eq!(here(), "old");
        folder.forget_joining().expect("it is there");
        folder.forget_joining().expect("it is gone");
        make(folder.joining(), "new");
        folder.take_joined().expect("both are there");
        assert_eq!(here(), "new");
        assert!(!folder.before().exists() && !folder.joining().exists());

        // Between the two names, and before what was moved away is removed.
        make(folder.joining(), "newer");
        fs::rename(folder.db(), folder.before()).expect("as in the middle");
        folder.settle().expect("both are there");
        assert_eq!(here(), "newer");
        make(folder.before(), "older");
        folder.settle().expect("the new one is in its place");
        assert_eq!(here(), "newer");
        assert!(!folder.before().exists());
    }

    #[test]
    fn a_part_that_is_set_aside_keeps_what_it_holds_under_the_first_name_that_is_free() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = bound(home.path(), &Hash::ZERO, validator(1)).expect("a new folder");
        assert_eq!(folder.set_aside("db").expect("there is nothing"), None);
        for number in 1..=3 {
            fs::create_dir(folder.db()).expect("it can be made");
            fs::write(folder.db().join("CURRENT"), number.to_string()).expect("it can be written");
            let aside = folder.set_aside("db").expect("it can be renamed").expect("it is there");
            assert_eq!(aside, home.path().join(format!("db.damaged-{number}")));
            assert_eq!(fs::read_to_string(aside.join("CURRENT")).expect("it is there"), number.to_string());
            assert!(!folder.db().exists());
        }
        fs::create_dir(folder.fresh()).expect("it can be made");
        folder.take_fresh().expect("it is there");
        assert!(folder.db().exists() && !folder.fresh().exists());
    }

    #[test]
    fn a_folder_is_taken_to_be_examined_whatever_it_is_bound_to_and_stays_as_it_is() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("data");
        let take = |chain: &Hash| DataFolder::take(&path, chain, validator(1));
        assert!(matches!(take(&Hash::ZERO), Err(DataError::NotBegun { .. })) && !path.exists());
        let folder = bound(&path, &Hash::ZERO, validator(1)).expect("a new folder");
        assert!(matches!(take(&Hash::ZERO), Err(DataError::InUse { .. })));
        drop(folder);
        assert!(matches!(take(&Hash::ZERO), Ok((_, Binding::Fits))));
        let other = Hash::new([1; 32]);
        assert!(matches!(take(&other), Ok((_, Binding::Differs(DataError::OtherChain { .. })))));
        let version = path.join("version");
        fs::write(&version, [b'x'; VERSION_BYTES_MAX + 1]).expect("it can be written");
        assert!(matches!(take(&Hash::ZERO), Ok((_, Binding::Differs(_)))));
        fs::remove_file(&version).expect("it is there");
        assert!(matches!(take(&Hash::ZERO), Ok((_, Binding::Missing))) && !version.exists());
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let held = DataFolder::open(home.path(), &Hash::ZERO, validator(1)).expect("a new folder");
        assert!(matches!(DataFolder::open(home.path(), &Hash::ZERO, validator(1)), Err(DataError::InUse { .. })));
        drop(held);
        DataFolder::open(home.path(), &Hash::ZERO, validator(1)).expect("it is free again");
    }

    #[test]
    fn another_layout_and_a_foreign_folder_are_refused() {
        let home = tempfile::tempdir().expect("a folder");
        drop(bound(home.path(), &Hash::ZERO, validator(1)).expect("a new folder"));
        let version = home.path().join("version");
        let text = fs::read_to_string(&version).expect("it is there").replace("version: 1", "version: 9");
        fs::write(&version, text).expect("it can be written");
        assert!(matches!(DataFolder::open(home.path(), &Hash::ZERO, validator(1)), Err(DataError::Version { .. })));
        let foreign = tempfile::tempdir().expect("a folder");
        fs::write(foreign.path().join("letter.txt"), "dear").expect("it can be written");
        assert!(matches!(DataFolder::open(foreign.path(), &Hash::ZERO, validator(1)), Err(DataError::Foreign { .. })));
    }
}
