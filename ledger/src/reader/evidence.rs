//! The evidence that final blocks hold, page by page, by validator, and who is accused at all (rule R9).
//!
//! It is an index of block bodies and no part of the state: no state root covers it. What proves a piece is the piece
//! itself, and that it is in a block follows from the block's `evidence_root`.

use althing_storage::{Order, OrderedStore, Scan};
use althing_types::{Epoch, Evidence, Height, ValidatorIndex};

use super::{PAGE_MAX, Reader};
use crate::error::LedgerError;
use crate::record::decoded;
use crate::space::{ACCUSED, EVIDENCE, by_culprit, by_index, culprits_of};

/// A place among all evidence of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceCursor {
    /// The height of the block.
    pub height: Height,
    /// The place in the block, from 0.
    pub index: u32,
}

/// A piece of evidence in a final block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceEntry {
    /// Where it stands.
    pub at: EvidenceCursor,
    /// The piece.
    pub evidence: Evidence,
}

/// A part of the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePage {
    /// The pieces, ascending by height and place.
    pub entries: Vec<EvidenceEntry>,
    /// Where the next page begins, which leaves this place out; none if there is nothing more.
    pub next: Option<EvidenceCursor>,
}

impl<S: OrderedStore> Reader<S> {
    /// The evidence of committed blocks, at most `limit` and [`PAGE_MAX`] pieces, beyond `cursor`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`], and what the store says.
    pub fn evidence(&self, cursor: Option<EvidenceCursor>, limit: usize) -> Result<EvidencePage, LedgerError> {
        let beyond = |at: EvidenceCursor| [&by_index(at.height, at.index)[..], &[0]].concat();
        let from = cursor.map_or_else(Vec::new, beyond);
        let to = by_index(self.head().header.height.next(), 0);
        let limit = limit.min(PAGE_MAX);
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: limit.saturating_add(1) };
        let found = self.store.scan(EVIDENCE, scan)?;
        let is_more = found.len() > limit;
        let entries: Vec<EvidenceEntry> =
            found.iter().take(limit).map(|(key, bytes)| entry(key, bytes)).collect::<Result<_, _>>()?;
        let next = entries.last().map(|entry| entry.at).filter(|_| is_more);
        Ok(EvidencePage { entries, next })
    }

    /// The evidence of committed blocks against one validator of an epoch, at most `limit` and [`PAGE_MAX`] pieces, beyond
    /// `cursor`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`], and what the store says.
    pub fn evidence_against(
        &self,
        epoch: Epoch,
        culprit: ValidatorIndex,
        cursor: Option<EvidenceCursor>,
        limit: usize,
    ) -> Result<EvidencePage, LedgerError> {
        let first = by_culprit(epoch, culprit, Height::ZERO, 0);
        let beyond = |at: EvidenceCursor| [&by_culprit(epoch, culprit, at.height, at.index)[..], &[0]].concat();
        let from = cursor.map_or(first, beyond);
        let to = by_culprit(epoch, culprit, self.head().header.height.next(), 0);
        let limit = limit.min(PAGE_MAX);
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: limit.saturating_add(1) };
        let found = self.store.scan(ACCUSED, scan)?;
        let is_more = found.len() > limit;
        let places = found.iter().take(limit).map(|(key, _)| place(key));
        let entries: Vec<EvidenceEntry> =
            places.map(|at| at.and_then(|at| self.evidence_at(at))).collect::<Result<_, _>>()?;
        let next = entries.last().map(|entry| entry.at).filter(|_| is_more);
        Ok(EvidencePage { entries, next })
    }

    /// The validators of an epoch that a committed block accuses, ascending.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`], and what the store says.
    pub fn accused(&self, epoch: Epoch) -> Result<Vec<ValidatorIndex>, LedgerError> {
        let (mut from, to) = culprits_of(epoch);
        let mut accused = Vec::new();
        // One step for each accused validator: the key after all that name it.
        loop {
            let scan = Scan { from: &from, to: to.as_deref(), order: Order::Ascending, limit: 1 };
            let Some((key, _)) = self.store.scan(ACCUSED, scan)?.into_iter().next() else { return Ok(accused) };
            let culprit = culprit(&key).ok_or_else(|| LedgerError::corrupt("who is accused"))?;
            accused.push(culprit);
            let Some(next) = culprit.get().checked_add(1) else { return Ok(accused) };
            from = by_culprit(epoch, ValidatorIndex::new(next), Height::ZERO, 0);
        }
    }

    fn evidence_at(&self, at: EvidenceCursor) -> Result<EvidenceEntry, LedgerError> {
        let evidence = self.load(EVIDENCE, &by_index(at.height, at.index), "evidence")?;
        let evidence = evidence.ok_or_else(|| LedgerError::corrupt("evidence"))?;
        Ok(EvidenceEntry { at, evidence })
    }
}

fn entry(key: &[u8], bytes: &[u8]) -> Result<EvidenceEntry, LedgerError> {
    Ok(EvidenceEntry { at: place(key)?, evidence: decoded(bytes, "evidence")? })
}

/// The height and place that a key ends with.
fn place(key: &[u8]) -> Result<EvidenceCursor, LedgerError> {
    let broken = || LedgerError::corrupt("the place of evidence");
    let (rest, index) = key.split_last_chunk::<4>().ok_or_else(broken)?;
    let (_, height) = rest.split_last_chunk::<8>().ok_or_else(broken)?;
    Ok(EvidenceCursor { height: Height::new(u64::from_be_bytes(*height)), index: u32::from_be_bytes(*index) })
}

/// The validator that a key of the accused names.
fn culprit(key: &[u8]) -> Option<ValidatorIndex> {
    let (_, rest) = key.split_first_chunk::<8>()?;
    let (culprit, _) = rest.split_first_chunk::<2>()?;
    Some(ValidatorIndex::new(u16::from_be_bytes(*culprit)))
}
