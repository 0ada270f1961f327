//! Validation of who takes part: validators, observers and the operators of a recovery.
//!
//! A key stands in one role only, and a name belongs to one participant only, because nodes are told apart by them.

use std::collections::BTreeMap;

use althing_types::{
    AuthPolicy, List, POLICY_KEYS_MAX, PublicKey, Quorums, VALIDATORS_MAX, Validator, ValidatorSet, WeightedKey,
};

use crate::binding::{BindingProof, KeyBinding};
use crate::document::{Document, RecoveryEntry, ValidatorEntry};
use crate::error::{Fault, GenesisError};
use crate::genesis::{GenesisValidator, OBSERVERS_MAX, Observer};
use crate::p2p::P2pAddress;
use crate::text::check_name;

/// Who takes part, in canonical order.
pub(crate) struct Participants {
    pub(crate) set: ValidatorSet,
    pub(crate) validators: Vec<GenesisValidator>,
    pub(crate) observers: Vec<Observer>,
    pub(crate) recovery: Option<AuthPolicy>,
}

/// Where names, keys and network addresses stood first.
#[derive(Default)]
struct Seen {
    names: BTreeMap<String, String>,
    keys: BTreeMap<PublicKey, String>,
    addresses: BTreeMap<P2pAddress, String>,
}

/// Validates everybody who takes part.
pub(crate) fn participants(document: &Document) -> Result<Participants, GenesisError> {
    let mut seen = Seen::default();
    let n = validator_count(document)?;
    check_faults(document, n)?;
    let mut validators = Vec::new();
    for (index, entry) in document.validators.iter().enumerate() {
        validators.push(validator(entry, &document.chain_id, &format!("validators[{index}]"), &mut seen)?);
    }
    validators.sort_by_key(|validator| validator.key);
    let members = validators.iter().map(|validator| Validator { key: validator.key, node_key: validator.node_key });
    let set = ValidatorSet::new(members.collect(), document.consensus.f, document.consensus.fast_path)
        .map_err(|error| Fault::Set(error).at("validators"))?;
    let observers = observers(document, &mut seen)?;
    let recovery = document.recovery.as_ref().map(|entry| recovery(entry, &mut seen)).transpose()?;
    Ok(Participants { set, validators, observers, recovery })
}

fn validator_count(document: &Document) -> Result<u16, GenesisError> {
    let count = document.validators.len();
    let n = u16::try_from(count).ok().filter(|_| (1..=VALIDATORS_MAX).contains(&count));
    n.ok_or_else(|| Fault::Count { count, min: 1, max: VALIDATORS_MAX }.at("validators"))
}

/// Holds the number of tolerated faults against the number of validators (`docs/spec/consensus.md`, section 2).
fn check_faults(document: &Document, n: u16) -> Result<(), GenesisError> {
    let f = document.consensus.f;
    Quorums::new(n, f, false).map_err(|error| Fault::TooManyFaults(error).at("consensus.f"))?;
    if document.dev {
        return Ok(());
    }
    if n == 3 {
        return Err(Fault::ThreeValidators.at("validators"));
    }
    let max = Quorums::faulty_max(n);
    if f == 0 && max > 0 { Err(Fault::NoFaults { n, max }.at("consensus.f")) } else { Ok(()) }
}

fn validator(
    entry: &ValidatorEntry,
    chain_id: &str,
    path: &str,
    seen: &mut Seen,
) -> Result<GenesisValidator, GenesisError> {
    seen.name(&entry.name, format!("{path}.name"))?;
    let key = seen.key(&entry.public_key, format!("{path}.publicKey"))?;
    let node_key = seen.key(&entry.node_key, format!("{path}.nodeKey"))?;
    let p2p_path = format!("{path}.p2pAddr");
    let p2p_addr = P2pAddress::parse(&entry.p2p_addr).map_err(|fault| fault.at(p2p_path.clone()))?;
    first_at(&mut seen.addresses, p2p_addr.clone(), p2p_path)?;
    let binding = KeyBinding { chain_id: chain_id.to_owned(), validator_key: key, node_key };
    let proof = BindingProof::parse(&entry.proof)
        .and_then(|proof| proof.verify(&binding).map(|()| proof))
        .map_err(|fault| fault.at(format!("{path}.proof")))?;
    Ok(GenesisValidator { key, node_key, name: entry.name.clone(), proof, p2p_addr })
}

fn observers(document: &Document, seen: &mut Seen) -> Result<Vec<Observer>, GenesisError> {
    let count = document.observers.len();
    if count > OBSERVERS_MAX {
        return Err(Fault::Count { count, min: 0, max: OBSERVERS_MAX }.at("observers"));
    }
    let mut observers = Vec::new();
    for (index, entry) in document.observers.iter().enumerate() {
        seen.name(&entry.name, format!("observers[{index}].name"))?;
        let node_key = seen.key(&entry.node_key, format!("observers[{index}].nodeKey"))?;
        observers.push(Observer { node_key, name: entry.name.clone() });
    }
    observers.sort_by_key(|observer| observer.node_key);
    Ok(observers)
}

fn recovery(entry: &RecoveryEntry, seen: &mut Seen) -> Result<AuthPolicy, GenesisError> {
    let (count, max) = (entry.keys.len(), POLICY_KEYS_MAX);
    let count_fault = || Fault::Count { count, min: 1, max }.at("recovery.keys");
    if count == 0 || count > max {
        return Err(count_fault());
    }
    let mut keys = Vec::new();
    for (index, text) in entry.keys.iter().enumerate() {
        keys.push(WeightedKey { key: seen.key(text, format!("recovery.keys[{index}]"))?, weight: 1 });
    }
    keys.sort();
    let keys = List::new(keys).map_err(|_| count_fault())?;
    let policy = AuthPolicy::Threshold { need: entry.need, keys };
    policy.check().map_err(|error| Fault::Policy(error).at("recovery.need"))?;
    Ok(policy)
}

impl Seen {
    fn name(&mut self, text: &str, path: String) -> Result<(), GenesisError> {
        check_name(text).map_err(|fault| fault.at(path.clone()))?;
        first_at(&mut self.names, text.to_owned(), path)
    }

    /// Reads a key that must be free of torsion and stand nowhere else.
    fn key(&mut self, text: &str, path: String) -> Result<PublicKey, GenesisError> {
        let key = parse_key(text, &path)?;
        key.check_prime_order().map_err(|error| Fault::Key(error).at(path.clone()))?;
        first_at(&mut self.keys, key, path)?;
        Ok(key)
    }
}

/// Reads a key in its one text form, which is lower-case.
pub(crate) fn parse_key(text: &str, path: &str) -> Result<PublicKey, GenesisError> {
    crate::text::parse_hex(text).map(PublicKey::Ed25519).map_err(|fault| fault.at(path))
}

/// Notes where a value stands, or says where it stood before.
fn first_at<T: Ord>(seen: &mut BTreeMap<T, String>, value: T, path: String) -> Result<(), GenesisError> {
    match seen.get(&value) {
        Some(first) => Err(Fault::Repeated { first: first.clone() }.at(path)),
        None => {
            seen.insert(value, path);
            Ok(())
        }
    }
}
