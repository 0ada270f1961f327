//! What the file of a user may hold, and what is refused.

use althing_genesis::{DevNetwork, DevRole, dev_key};
use althing_types::{
    Certificate, Epoch, Finalization, Finalize, Hash, List, Nullification, Nullify, TimeMs, View, encode,
};

use super::*;

fn genesis() -> Genesis {
    let network = DevNetwork {
        chain_id: "evidence".to_owned(),
        seed: "evidence".to_owned(),
        validators: 4,
        observers: 0,
        accounts: 1,
        p2p_base_port: 26_700,
        time: TimeMs::new(1_760_000_000_000),
    };
    network.build().expect("valid")
}

fn sign(genesis: &Genesis, signer: u16, vote: Vote) -> SignedVote {
    let index = ValidatorIndex::new(signer);
    let key = genesis.validator_set().get(index).expect("a member").key;
    let own = |number| dev_key("evidence", DevRole::Validator, number);
    let secret = (0..4).map(own).find(|secret| secret.public_key() == key).expect("one of four");
    vote.sign(&genesis.hash(), index, &secret)
}

fn nullify(report: Option<Hash>) -> Vote {
    Vote::Nullify(Nullify { epoch: Epoch::ZERO, view: View::new(5), report })
}

fn piece(genesis: &Genesis) -> Evidence {
    let [a, b] = [None, Some(Hash::ZERO)].map(|report| sign(genesis, 2, nullify(report)));
    Evidence::of_votes(a, b).expect("they contradict")
}

fn fork(genesis: &Genesis) -> ForkProof {
    let committee = genesis.committee();
    let finalize = Finalize { epoch: Epoch::ZERO, view: View::new(5), digest: Hash::ZERO };
    let ours: Vec<SignedVote> = (0..3).map(|signer| sign(genesis, signer, Vote::Finalize(finalize))).collect();
    let theirs: Vec<SignedVote> = (1..4).map(|signer| sign(genesis, signer, nullify(None))).collect();
    let skip = Nullification::of(Epoch::ZERO, View::new(5), &committee, &theirs).expect("a quorum");
    ForkProof::V1 {
        finalization: Finalization::slow(finalize, &committee, &ours).expect("a quorum"),
        beside: List::truncated(vec![Certificate::Nullification(skip)]),
    }
}

fn culprits(genesis: &Genesis, file: &[u8]) -> Option<Vec<u16>> {
    let proofs = proofs_in(file)?;
    let named = proofs.iter().map(|proof| verified(proof, &genesis.committee(), genesis).map(|(_, named)| named));
    let named: Result<Vec<_>, String> = named.collect();
    Some(named.ok()?.concat().iter().map(|index| index.get()).collect())
}

fn hex(bytes: &[u8]) -> String {
    const_hex::encode_prefixed(bytes)
}

#[test]
fn pieces_lists_and_forks_are_verified_with_the_genesis_alone() {
    let genesis = genesis();
    let (piece, fork) = (encode(&piece(&genesis)), encode(&fork(&genesis)));
    assert_eq!(culprits(&genesis, &piece), Some(vec![2]));
    assert_eq!(culprits(&genesis, &fork), Some(vec![1, 2]));
    let one = json!({ "evidence": hex(&piece), "culprit": 3 });
    assert_eq!(culprits(&genesis, one.to_string().as_bytes()), Some(vec![2]), "what a node says of it is no matter");
    let list = json!({ "pending": [one], "items": [one, one], "nextCursor": null });
    assert_eq!(culprits(&genesis, list.to_string().as_bytes()), Some(vec![2, 2, 2]));
    let file = json!({ "forkProof": hex(&fork) });
    assert_eq!(culprits(&genesis, file.to_string().as_bytes()), Some(vec![1, 2]));
}

#[test]
fn what_is_no_evidence_is_refused() {
    let genesis = genesis();
    let bytes = encode(&piece(&genesis));
    let mut forged = bytes.clone();
    *forged.last_mut().expect("long") ^= 1;
    let broken = json!({ "items": [{ "evidence": hex(&bytes) }, { "evidence": "0x00" }] }).to_string();
    for file in [&b""[..], b"{}", b"[]", b"{\"items\":[]}", &forged, &bytes[1..], broken.as_bytes()] {
        assert_eq!(culprits(&genesis, file), None);
    }
    let mut proof = fork(&genesis);
    let ForkProof::V1 { beside, .. } = &mut proof;
    *beside = List::empty();
    assert_eq!(culprits(&genesis, &encode(&proof)), None);
}

#[test]
fn statements_are_told_in_words() {
    let genesis = genesis();
    let told = statements(&piece(&genesis));
    assert_eq!(told[0], "nullify view 5, reporting no notarize");
    assert!(told[1].starts_with("nullify view 5, reporting notarize 0x00"), "{}", told[1]);
}
