//! Evidence of final blocks: found by place, page by page, and by whom it accuses; the same after a restart (R9).

use althing_genesis::{DevRole, dev_key};
use althing_storage::OrderedStore;
use althing_types::{Epoch, Evidence, Hash, Height, Nullify, ValidatorIndex, View, Vote};

use super::kit::{Chain, store};
use crate::{EvidenceCursor, Ledger, Reader};

/// Two nullify votes of a validator with different reports.
pub(crate) fn piece(culprit: u16, view: u64) -> Evidence {
    let key = dev_key("accusing", DevRole::Validator, u32::from(culprit));
    let vote = |report| Vote::Nullify(Nullify { epoch: Epoch::ZERO, view: View::new(view), report });
    let sign = |report| vote(report).sign(&Hash::ZERO, ValidatorIndex::new(culprit), &key);
    Evidence::of_votes(sign(None), sign(Some(Hash::ZERO))).expect("they contradict")
}

fn at(height: u64, index: u32) -> EvidenceCursor {
    EvidenceCursor { height: Height::new(height), index }
}

fn places<S: OrderedStore>(reader: &Reader<S>, culprit: u16) -> Vec<EvidenceCursor> {
    let (mut walked, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader.evidence_against(Epoch::ZERO, ValidatorIndex::new(culprit), cursor, 1).expect("readable");
        walked.extend(page.entries.iter().map(|entry| entry.at));
        cursor = page.next;
        if cursor.is_none() {
            return walked;
        }
    }
}

#[test]
fn evidence_is_listed_by_place_and_by_whom_it_accuses() {
    let (mut chain, store) = (Chain::new(), store());
    let mut ledger = Ledger::open(store.clone(), &chain.genesis).expect("a fresh store");
    let given = [vec![piece(2, 1), piece(0, 1)], vec![], vec![piece(2, 9)]];
    for evidence in given.clone() {
        chain.evidence = evidence;
        chain.commit(&mut ledger, vec![]);
    }
    let places_of_all = [at(1, 0), at(1, 1), at(3, 0)];
    let all: Vec<_> = places_of_all.into_iter().zip(given.concat()).collect();
    for reader in [ledger.reader(), Ledger::open(store, &chain.genesis).expect("as it was").reader()] {
        let page = reader.evidence(None, 500).expect("readable");
        assert_eq!(page.entries.iter().map(|entry| (entry.at, entry.evidence)).collect::<Vec<_>>(), all);
        assert_eq!(page.next, None);
        let mut walked = Vec::new();
        let mut cursor = None;
        loop {
            let page = reader.evidence(cursor, 1).expect("readable");
            walked.extend(page.entries.iter().map(|entry| entry.at));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(walked, places_of_all);
        assert_eq!(places(&reader, 2), [at(1, 0), at(3, 0)]);
        assert_eq!((places(&reader, 0), places(&reader, 1)), (vec![at(1, 1)], vec![]));
        let accused = reader.accused(Epoch::ZERO).expect("readable");
        assert_eq!(accused, [0, 2].map(ValidatorIndex::new));
        assert_eq!(reader.accused(Epoch::new(1)).expect("readable"), []);
    }
}

#[test]
fn evidence_changes_no_state() {
    let (mut plain, mut accusing) = (Chain::new(), Chain::new());
    let mut ledgers = [&plain, &accusing].map(|chain| Ledger::open(store(), &chain.genesis).expect("a fresh store"));
    accusing.evidence = vec![piece(1, 1)];
    let roots = [plain.commit(&mut ledgers[0], vec![]), accusing.commit(&mut ledgers[1], vec![])];
    assert_eq!(roots[0].summary.state_root, roots[1].summary.state_root);
}
