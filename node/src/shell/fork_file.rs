//! The file that a validator writes when a fork is proven, and its end: the proof first, then its peers, then the exit.
//!
//! The file stands in the data folder under a name of its own. While it is there the node does not start again: whether
//! and how the chain goes on is for the operators to agree on, with the proof in their hands (rule R10).

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use althing_genesis::Genesis;
use althing_types::{Evidence, EvidenceKind, FORK_PROOF_BYTES_MAX, ForkProof, encode};
use serde_json::{Value, json};

use super::stop::{Stop, spawn};
use crate::files::{self, Access, Existing};

/// What the names of these files begin with.
const PREFIX: &str = "fork-evidence-";
/// What they end with.
const SUFFIX: &str = ".json";
/// How long the node stays up after it found a fork, so that its peers get the proof. A frame takes milliseconds; a peer
/// that is slower is told by others, or by the operators.
const GRACE: Duration = Duration::from_secs(2);

/// Writes proofs of forks, and ends the node after the first.
#[derive(Debug)]
pub(crate) struct ForkFile {
    folder: PathBuf,
    genesis: Genesis,
    stop: Stop,
}

impl ForkFile {
    /// Files of the chain of this document, in this folder.
    pub(crate) const fn new(folder: PathBuf, genesis: Genesis, stop: Stop) -> Self {
        Self { folder, genesis, stop }
    }

    /// Makes a proof durable, says so, and ends the node a moment later.
    pub(crate) fn found(&self, proof: &ForkProof) {
        const _: () = assert!(FORK_PROOF_BYTES_MAX < 1 << 20, "a proof is written in one piece");
        let path = self.folder.join(format!("{PREFIX}{}{SUFFIX}", proof.view()));
        let text = format!("{:#}\n", document(proof, &self.genesis));
        if let Err(error) = files::write(&path, text.as_bytes(), Access::Public, Existing::Replace) {
            tracing::error!(%error, "the proof of a fork could not be written");
            return self.stop.disk_failed("the proof of a fork", &error);
        }
        let culprits = named(&proof.evidence(&self.genesis.committee()), &self.genesis);
        tracing::error!(
            view = proof.view().get(),
            ?culprits,
            file = %path.display(),
            remedy = "stop using this chain, compare with the other operators, and agree who goes on without the culprits",
            "more than f validators broke the rules; this node votes no more and ends"
        );
        let why = format!("a fork in view {} is proven in {}", proof.view(), path.display());
        let stop = self.stop.clone();
        // Nobody waits for it: the stop ends the process.
        let _ending = spawn("fork", self.stop.clone(), move || {
            thread::sleep(GRACE);
            stop.forked(why);
        });
    }
}

/// The first file with a proof in a data folder.
///
/// # Errors
///
/// The folder cannot be listed: then nobody knows whether there is a proof.
pub(crate) fn in_folder(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut first: Option<PathBuf> = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            first = Some(first.map_or_else(|| entry.path(), |first| first.min(entry.path())));
        }
    }
    Ok(first)
}

/// What the file says: for people, and in canonical bytes for whoever verifies it.
fn document(proof: &ForkProof, genesis: &Genesis) -> Value {
    let pieces = proof.evidence(&genesis.committee());
    let kind = |piece: &Evidence| piece.kind().map_or("", EvidenceKind::words);
    let said = pieces.iter().map(|piece| json!({ "culprit": piece.culprit().get(), "kind": kind(piece) }));
    json!({
        "schemaVersion": 1,
        "kind": "fork",
        "chainId": genesis.chain_id(),
        "genesisHash": genesis.hash().to_string(),
        "view": proof.view().get().to_string(),
        "finalBlock": proof.finalization().vote.digest.to_string(),
        "culprits": named(&pieces, genesis),
        "pieces": said.collect::<Vec<_>>(),
        "verify": "althing evidence verify THIS-FILE --genesis GENESIS-FILE",
        "forkProof": const_hex::encode_prefixed(encode(proof)),
    })
}

/// The culprits by place and name.
fn named(pieces: &[Evidence], genesis: &Genesis) -> Vec<String> {
    let validators = genesis.validators();
    let name = |piece: &Evidence| {
        let index = piece.culprit();
        validators.get(index.to_usize()).map_or_else(|| index.get().to_string(), |it| format!("{index} {}", it.name))
    };
    pieces.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_genesis::{DevNetwork, DevRole, dev_key};
    use althing_types::{
        Certificate, Epoch, Finalization, Finalize, Hash, Nullification, Nullify, SignedVote, TimeMs, ValidatorIndex,
        View, Vote, decode,
    };

    fn genesis() -> Genesis {
        let network = DevNetwork {
            chain_id: "fork".to_owned(),
            seed: "fork".to_owned(),
            validators: 4,
            observers: 0,
            accounts: 1,
            p2p_base_port: 26_700,
            time: TimeMs::new(1_760_000_000_000),
        };
        network.build().expect("valid")
    }

    fn proof(genesis: &Genesis) -> ForkProof {
        let committee = genesis.committee();
        let sign = |vote: Vote, signer: u16| -> SignedVote {
            let index = ValidatorIndex::new(signer);
            let key = committee.set.get(index).expect("a member").key;
            let own = (0..4).map(|number| dev_key("fork", DevRole::Validator, number));
            let secret = own.into_iter().find(|secret| secret.public_key() == key).expect("one of four");
            vote.sign(&genesis.hash(), index, &secret)
        };
        let (epoch, view) = (Epoch::ZERO, View::new(9));
        let finalize = Finalize { epoch, view, digest: Hash::ZERO };
        let ours: Vec<SignedVote> = (0..3).map(|signer| sign(Vote::Finalize(finalize), signer)).collect();
        let nullify = Vote::Nullify(Nullify { epoch, view, report: None });
        let theirs: Vec<SignedVote> = (1..4).map(|signer| sign(nullify, signer)).collect();
        let certificates = [
            Certificate::Finalization(Finalization::slow(finalize, &committee, &ours).expect("a quorum")),
            Certificate::Nullification(Nullification::of(epoch, view, &committee, &theirs).expect("a quorum")),
        ];
        ForkProof::among(&certificates, &committee).expect("a fork")
    }

    #[test]
    fn the_file_names_the_culprits_and_holds_the_proof() {
        let genesis = genesis();
        let proof = proof(&genesis);
        let document = document(&proof, &genesis);
        let names: Vec<&str> = genesis.validators().iter().map(|validator| validator.name.as_str()).collect();
        assert_eq!(document["culprits"], json!([format!("1 {}", names[1]), format!("2 {}", names[2])]));
        let text = document["forkProof"].as_str().expect("a text");
        let bytes = const_hex::decode(text).expect("hexadecimal");
        assert_eq!(decode::<ForkProof>(&bytes, FORK_PROOF_BYTES_MAX), Ok(proof));
    }

    #[test]
    fn a_proof_is_durable_before_it_is_told_and_is_found_again() {
        let (genesis, folder) = (genesis(), tempfile::tempdir().expect("a folder"));
        assert_eq!(in_folder(folder.path()).expect("it can be listed"), None);
        std::fs::write(folder.path().join("fork-evidence.txt"), "a note").expect("written");
        assert_eq!(in_folder(folder.path()).expect("it can be listed"), None);
        let forks = ForkFile::new(folder.path().to_owned(), genesis.clone(), Stop::new());
        forks.found(&proof(&genesis));
        let path = folder.path().join("fork-evidence-9.json");
        assert_eq!(in_folder(folder.path()).expect("it can be listed"), Some(path.clone()));
        let written = std::fs::read_to_string(path).expect("readable");
        assert_eq!(written, format!("{:#}\n", document(&proof(&genesis), &genesis)));
    }
}
