//! OpenSSL as an outside verifier: what we accept in a certificate, it accepts as well.

use std::path::Path;
use std::process::Command;

use althing_types::{Ed25519, Finalization, PublicKey, Signature};

use super::samples::{CHAIN, committee, finalization};

/// The header of an Ed25519 public key in DER (RFC 8410, section 4).
const DER_HEADER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Whether OpenSSL accepts a signature; none if it is not installed.
fn openssl_verifies(folder: &Path, key: &PublicKey, message: &[u8], signature: &Signature) -> Option<bool> {
    let der: Vec<u8> = DER_HEADER.iter().chain(key.as_bytes()).copied().collect();
    let (key, text, sig) = (folder.join("key.der"), folder.join("message"), folder.join("signature"));
    std::fs::write(&key, der).expect("a file of ours");
    std::fs::write(&text, message).expect("a file of ours");
    std::fs::write(&sig, signature.as_bytes()).expect("a file of ours");
    let output = Command::new("openssl")
        .args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey"])
        .args([&key, Path::new("-in"), &text, Path::new("-sigfile"), &sig])
        .output()
        .ok()?;
    Some(output.status.success())
}

fn openssl_accepts(certificate: &Finalization) -> Option<bool> {
    let folder = tempfile::tempdir().expect("a folder of ours");
    let committee = committee();
    let votes = certificate.votes(&committee);
    let verdicts: Option<Vec<bool>> = votes
        .iter()
        .map(|vote| {
            let key = committee.set.get(vote.signer).expect("a member").key;
            openssl_verifies(folder.path(), &key, vote.vote.sign_hash(&CHAIN).as_bytes(), &vote.signature)
        })
        .collect();
    verdicts.map(|verdicts| !verdicts.is_empty() && verdicts.iter().all(|good| *good))
}

#[test]
fn openssl_accepts_the_signatures_of_a_certificate_and_no_others() {
    let good = finalization();
    assert!(good.verify(&Ed25519, &committee()).is_ok());
    let Some(accepted) = openssl_accepts(&good) else {
        crate::skipped("openssl is not installed");
        return;
    };
    assert!(accepted);
    let mut moved = good;
    moved.vote.view = moved.vote.view.next();
    assert!(moved.verify(&Ed25519, &committee()).is_err());
    assert_eq!(openssl_accepts(&moved), Some(false));
}
