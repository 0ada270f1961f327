//! The bytes of an archive, read by the words of `docs/spec/archive.md` alone.

use althing_types::{Block, Hash, Header, Height, encode, leaf_hash};

use super::kit::{BARE, Chain, HEIGHTS};

/// RFC 6962 leaf hash of the archive of the chain of these tests.
const FROZEN: &str = "0x8befba41063efeb0d2119d952016e0fe4b0839c2d9e7a6ad8183daabcd093376";

fn u32_at(bytes: &[u8], place: usize) -> usize {
    let four = bytes[place..place + 4].try_into().expect("four bytes");
    usize::try_from(u32::from_le_bytes(four)).expect("small")
}

/// The kinds and payloads of all records.
fn records(archive: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut place, mut records) = (20, Vec::new());
    while place < archive.len() {
        let length = u32_at(archive, place + 1);
        records.push((archive[place], &archive[place + 5..place + 5 + length]));
        place += 5 + length;
    }
    records
}

#[test]
fn an_archive_is_what_the_specification_says() {
    let chain = Chain::new();
    let archive = chain.archive();
    assert_eq!((&archive[..16], u32_at(&archive, 16)), (&b"althing archive\n"[..], 1));
    let records = records(&archive);
    assert_eq!(records[0], (1, chain.genesis.document().to_json().as_bytes()));
    let range = [&chain.genesis.hash().as_bytes()[..], &1u64.to_le_bytes(), &HEIGHTS.to_le_bytes()].concat();
    assert_eq!(records[1], (2, &range[..]));
    let mut kinds = Vec::new();
    for height in 1..=HEIGHTS {
        kinds.extend([3, 4]);
        kinds.extend((height != BARE).then_some(5));
        kinds.extend(if height == 6 { [].as_slice() } else { &[6, 6] });
    }
    kinds.push(7);
    assert_eq!(records[2..].iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), kinds);
    let Block { header, body } = &chain.entries[0].block;
    assert_eq!((records[2].1, records[3].1), (&encode(header)[..], &encode(body)[..]));
    let first: Header = borsh::from_slice(records[2].1).expect("a header");
    assert_eq!(first.height, Height::new(1));
    let (end, blocks) = records.split_last().expect("records");
    let digest = blocks[2..].iter().fold(chain.genesis.hash(), |digest, (kind, payload)| next(&digest, *kind, payload));
    let batches = 2 * (HEIGHTS - 1);
    assert_eq!(end.1, [&HEIGHTS.to_le_bytes()[..], &batches.to_le_bytes(), digest.as_bytes()].concat());
}

/// SHA-256 over the tag behind its length, the digest before, the kind, and the payload behind its length.
fn next(digest: &Hash, kind: u8, payload: &[u8]) -> Hash {
    use sha2::{Digest as _, Sha256};
    let length = u32::try_from(payload.len()).expect("short").to_le_bytes();
    let mut hasher = Sha256::new();
    hasher.update([18]);
    for part in [b"althing/archive/v1".as_slice(), digest.as_bytes(), &[kind], &length, payload] {
        hasher.update(part);
    }
    Hash::new(hasher.finalize().into())
}

#[test]
fn an_archive_keeps_its_bytes() {
    let found = leaf_hash(&Chain::new().archive()).to_string();
    assert_eq!(found, FROZEN, "the form of archives has changed: that takes a new version");
}
