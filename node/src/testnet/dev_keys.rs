//! The key files of a development network: which there are, what they are called, and how they are written.
//!
//! All names begin with DEV, because everybody can derive what is in the files. This knows no folder but the one that
//! it is given, and not what else a network consists of.

use std::path::{Path, PathBuf};

use althing_genesis::{DevNetwork, DevRole, dev_key};

use crate::files::{self, Access, Existing};
use crate::keys::{KeyFile, KeyRole, KeyStoreError, Protection};

/// The files of a network in this folder: each validator's two, then the accounts', then the observers'.
pub(crate) fn paths(network: &DevNetwork, folder: &Path) -> Vec<PathBuf> {
    listed(network).map(|(role, index)| path(folder, role, index)).collect()
}

/// The file of one key. The key in that of an observer is a node key.
pub(crate) fn path(folder: &Path, role: DevRole, index: u16) -> PathBuf {
    folder.join(format!("DEV-{}-{index}.pem", role.as_str()))
}

/// Writes all of them, and makes the folder.
pub(crate) fn write(network: &DevNetwork, folder: &Path, existing: Existing) -> Result<(), KeyStoreError> {
    files::create_folder(folder, Access::Secret)?;
    for (role, index) in listed(network) {
        let path = path(folder, role, index);
        let key = dev_key(&network.seed, role, u32::from(index));
        let text = KeyFile::seal(&key, use_of(role), true, Protection::None)
            .map_err(|error| KeyStoreError::Key { path: path.clone(), error })?;
        files::write(&path, text.as_bytes(), Access::Secret, existing)?;
    }
    Ok(())
}

fn listed(network: &DevNetwork) -> impl Iterator<Item = (DevRole, u16)> {
    let roles = [
        (DevRole::Validator, network.validators),
        (DevRole::Node, network.validators),
        (DevRole::Account, network.accounts),
        (DevRole::Observer, network.observers),
    ];
    roles.into_iter().flat_map(|(role, count)| (0..count).map(move |index| (role, index)))
}

/// What the file says that its key is for.
const fn use_of(role: DevRole) -> KeyRole {
    match role {
        DevRole::Validator => KeyRole::Validator,
        DevRole::Node | DevRole::Observer => KeyRole::Node,
        DevRole::Account => KeyRole::Account,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;
    use althing_types::TimeMs;

    #[test]
    fn every_key_has_a_file_that_says_what_it_is_for_and_holds_it() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("keys");
        let network = DevNetwork {
            chain_id: "dev".to_owned(),
            seed: "a".to_owned(),
            validators: 2,
            observers: 1,
            accounts: 3,
            p2p_base_port: 1,
            time: TimeMs::new(1),
        };
        write(&network, &folder, Existing::Keep).expect("new");
        let paths = paths(&network, &folder);
        assert_eq!(paths.len(), 2 + 2 + 3 + 1);
        assert_eq!(std::fs::read_dir(&folder).expect("there").count(), paths.len(), "nothing else is there");
        for (role, file_role, index, name) in [
            (DevRole::Validator, KeyRole::Validator, 1, "DEV-validator-1.pem"),
            (DevRole::Node, KeyRole::Node, 1, "DEV-node-1.pem"),
            (DevRole::Account, KeyRole::Account, 2, "DEV-account-2.pem"),
            (DevRole::Observer, KeyRole::Node, 0, "DEV-observer-0.pem"),
        ] {
            let path = path(&folder, role, index);
            assert!(path.ends_with(name) && paths.contains(&path), "{}", path.display());
            let file = keys::load(&path).expect("private");
            assert_eq!(file.role(), Some(file_role), "{name}");
            let key = file.open(None).expect("in the clear");
            assert_eq!(key.public_key(), dev_key("a", role, u32::from(index)).public_key(), "{name}");
        }
        let refused = write(&network, &folder, Existing::Keep).expect_err("they are there");
        assert!(matches!(refused, KeyStoreError::File(files::FileError::Exists { .. })), "{refused:?}");
        write(&network, &folder, Existing::Replace).expect("replaced");
    }
}
