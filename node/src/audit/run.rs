//! The audit itself: height by height, every rule, every signature, every result.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use althing_genesis::Genesis;
use althing_ledger::{Ledger, LedgerError, RUN_BLOCKS_MAX, RUN_LINK_MAX, Reader, Replayed, StoredResults};
use althing_mempool::Share;
use althing_storage::{Entry as StoreEntry, OrderedStore, RocksOptions, RocksStore};
use althing_types::{Block, Hash, Height, decode, encode};
use borsh::{BorshDeserialize, BorshSerialize};

use super::chain::{Rules, compare};
use super::check::{Checked, Checker, Sound, count};
use super::fault::{AuditError, Fault};
use super::pipeline;
use super::source::Source;

/// Heights at the end of a node's store that may be without a certificate. A node that catches up commits the blocks of a
/// run before the one that its certificate is of, and may be stopped meanwhile; so many a run spans at most.
pub const UNCOVERED_MAX: u64 = RUN_SPAN;
#[expect(clippy::as_conversions, reason = "both are small, and this is computed when the crate is compiled")]
const RUN_SPAN: u64 = (RUN_BLOCKS_MAX + RUN_LINK_MAX) as u64;
/// Bytes of the note at most.
const NOTE_BYTES_MAX: usize = 1_024;
/// Bytes of the cache of the audit's own store: the state of a small chain, and what of a large one is used often.
const CACHE_BYTES: usize = 256 << 20;
/// Entries of the state that are compared at once.
const STATE_PAGE: usize = 10_000;

/// How an audit is run.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    /// The chain, and all that is believed.
    pub genesis: &'a Genesis,
    /// Threads that verify signatures, at least one.
    pub threads: usize,
    /// Set to end the audit after the height under way.
    pub stop: &'a AtomicBool,
}

/// What was verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Figures {
    /// Blocks.
    pub blocks: u64,
    /// Blocks with a certificate of their own.
    pub certificates: u64,
    /// Batches.
    pub batches: u64,
    /// Transactions in the batches.
    pub transactions: u64,
    /// Transactions that were executed: all but those that left no trace.
    pub executed: u64,
    /// Signatures of transactions, batches, certificates and evidence.
    pub signatures: u64,
}

/// What an audit came to, or has come to so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was verified in all.
    pub all: Figures,
    /// What of it this run verified.
    pub now: Figures,
    /// Where an earlier run had got to; none if this one began at the beginning.
    pub resumed_above: Option<Height>,
    /// The last height that was verified.
    pub height: Height,
    /// The last height of the source.
    pub last: Height,
    /// Its block.
    pub block: Hash,
    /// The state root after it.
    pub state_root: Hash,
    /// The last height whose results a certificate covers; those above follow from executing the chain.
    pub results_to: Height,
    /// How many heights at the end no certificate covers; only of a node's store, and at most [`UNCOVERED_MAX`].
    pub uncovered: u64,
}

/// What is kept beside the state after every block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Note {
    kind: String,
    digest: Hash,
    /// The first height that no certificate covers yet.
    uncovered_from: Option<Height>,
    /// The last height whose results a certificate covers.
    results_to: Height,
    figures: Figures,
}

/// Audits a source. The state is made in the folder `work`, where an earlier audit of the same source may have got to some
/// height; then this one goes on there. `progress` hears of every height.
///
/// # Errors
///
/// [`AuditError::Fault`] is the first thing that is wrong with the chain. Everything else says why the audit cannot be
/// carried out.
pub fn audit<S: Source>(
    what: Audit<'_>,
    source: S,
    work: &Path,
    progress: impl FnMut(&Report),
) -> Result<(Report, S, Reader<RocksStore>), AuditError> {
    let options = RocksOptions { cache_bytes: CACHE_BYTES, ..RocksOptions::default() };
    let spaces = althing_ledger::replay_spaces();
    let store = RocksStore::open_scratch(work, &spaces, options).map_err(LedgerError::from)?;
    audit_in(what, source, Arc::new(store), progress)
}

/// Audits a source with a state in a store of the caller's.
pub(super) fn audit_in<S: Source, D: OrderedStore>(
    what: Audit<'_>,
    source: S,
    store: Arc<D>,
    mut progress: impl FnMut(&Report),
) -> Result<(Report, S, Reader<D>), AuditError> {
    let genesis = what.genesis;
    let mut auditor = Auditor::open(store, genesis, &source)?;
    let begun = (auditor.report.height, auditor.note.digest);
    if source.first() > begun.0.next() {
        return Err(AuditError::Gap { first: source.first(), next: begun.0.next() });
    }
    let checker = Checker { committee: genesis.committee(), limits: genesis.params().limits };
    let source = pipeline::run(source, begun, &checker, what.threads, |checked| {
        auditor.take(checked)?;
        progress(&auditor.report);
        if what.stop.load(Ordering::Relaxed) {
            return Err(AuditError::Interrupted { height: auditor.report.height });
        }
        Ok(())
    })?;
    let report = auditor.finish(&source)?;
    Ok((report, source, auditor.ledger.reader()))
}

/// An audit under way.
struct Auditor<D> {
    rules: Rules,
    share: Share,
    ledger: Ledger<D>,
    note: Note,
    report: Report,
}

impl<D: OrderedStore> Auditor<D> {
    fn open(store: Arc<D>, genesis: &Genesis, source: &impl Source) -> Result<Self, AuditError> {
        let ledger = Ledger::open(store, genesis)?;
        let head = ledger.head();
        let committee = genesis.committee();
        let rules = Rules {
            set_hash: committee.set.hash(),
            params_hash: genesis.params().hash(),
            params: *genesis.params(),
            committee,
        };
        let fresh = Note {
            kind: source.kind().to_owned(),
            digest: genesis.hash(),
            uncovered_from: None,
            results_to: Height::ZERO,
            figures: Figures::default(),
        };
        let height = head.header.height;
        let note = match ledger.note()? {
            None => fresh,
            Some(bytes) => decode::<Note>(&bytes, NOTE_BYTES_MAX)
                .ok()
                .filter(|note| note.kind == fresh.kind)
                .ok_or(AuditError::OtherSource { height })?,
        };
        let report = Report {
            all: note.figures,
            now: Figures::default(),
            resumed_above: (height > Height::ZERO).then_some(height),
            height,
            last: source.last(),
            block: head.id,
            state_root: head.summary.state_root,
            results_to: note.results_to,
            uncovered: 0,
        };
        let limits = &genesis.params().limits;
        let count = rules.committee.set.count();
        let share = Share::of(limits, count).times(count);
        Ok(Self { rules, share, ledger, note, report })
    }

    /// Takes the next height.
    fn take(&mut self, checked: Checked) -> Result<(), AuditError> {
        let head = self.ledger.head();
        let Checked { block, id, is_certified, stored, digest, places, outcome } = checked;
        let height = block.header.height;
        self.rules.check(&head, &block, &places)?;
        let sound = outcome?;
        if !sound.size.fits(&self.share) {
            return Err(Fault::Caps { height }.into());
        }
        self.compare_carried(&block)?;
        let (kind, before) = (self.note.kind.clone(), self.note.figures);
        let results_to = if is_certified { block.header.executed_height } else { self.note.results_to };
        let mut now = figures_of(&sound, is_certified);
        let uncovered_from = if is_certified { None } else { self.note.uncovered_from.or(Some(height)) };
        let mut note = None;
        let replayed = self.ledger.replay(&block, &sound.batches, |replayed| {
            if let Some(stored) = stored {
                compare_stored(height, &stored, replayed)?;
            }
            now.executed = count(replayed.included.len());
            let next = Note { kind, digest, uncovered_from, results_to, figures: before.plus(&now) };
            Ok::<_, AuditError>(encode(note.insert(next)))
        });
        let replayed = replayed.map_err(|error| refused(height, error))?;
        // It is there, because the judge was asked.
        self.note = note.unwrap_or_else(|| self.note.clone());
        self.report.all = self.note.figures;
        self.report.results_to = results_to;
        self.report.now = self.report.now.plus(&now);
        (self.report.height, self.report.block) = (height, id);
        self.report.state_root = replayed.summary.state_root;
        Ok(())
    }

    /// Compares the results that a block carries with what came of the heights below.
    fn compare_carried(&self, block: &Block) -> Result<(), AuditError> {
        let reader = self.ledger.reader();
        for said in &block.body.results {
            let executed = reader.summary(said.height)?;
            // Whatever was not carried yet is kept, and none is carried twice (X1).
            let executed = executed.ok_or(LedgerError::Corrupt { what: "a summary" })?;
            compare(block.header.height, "the block carries the", said, &executed)?;
        }
        Ok(())
    }

    /// Judges the end.
    fn finish(&mut self, source: &impl Source) -> Result<Report, AuditError> {
        let (height, last) = (self.report.height, source.last());
        if height < last {
            return Err(Fault::Height { expected: height.next(), found: last }.into());
        }
        if let Some(from) = self.note.uncovered_from {
            let uncovered = height.above(from).saturating_add(1);
            if !source.may_end_uncovered() || uncovered > UNCOVERED_MAX {
                return Err(Fault::Uncovered { from, to: height }.into());
            }
            self.report.uncovered = uncovered;
        }
        Ok(self.report.clone())
    }
}

impl Figures {
    fn plus(&self, other: &Self) -> Self {
        Self {
            blocks: self.blocks.saturating_add(other.blocks),
            certificates: self.certificates.saturating_add(other.certificates),
            batches: self.batches.saturating_add(other.batches),
            transactions: self.transactions.saturating_add(other.transactions),
            executed: self.executed.saturating_add(other.executed),
            signatures: self.signatures.saturating_add(other.signatures),
        }
    }
}

fn figures_of(sound: &Sound, is_certified: bool) -> Figures {
    Figures {
        blocks: 1,
        certificates: u64::from(is_certified),
        batches: count(sound.batches.len()),
        transactions: sound.transactions,
        executed: 0,
        signatures: sound.signatures,
    }
}

/// What the ledger refuses of a block is the chain's fault, unless its store failed.
fn refused(height: Height, error: AuditError) -> AuditError {
    match error {
        AuditError::Ledger(LedgerError::Batches { fault, .. }) => {
            Fault::Link { height, what: fault.to_string() }.into()
        }
        error => error,
    }
}

/// Compares what a node stored of an execution with what comes of it.
fn compare_stored(height: Height, stored: &StoredResults, replayed: &Replayed) -> Result<(), Fault> {
    compare(height, "the store has the", &stored.summary, &replayed.summary)?;
    let included = replayed.included.iter().enumerate();
    for (index, included) in included {
        let differs = |what| Fault::Stored { height, what, index, id: included.id };
        if stored.places.get(index) != replayed.places.get(index) {
            return Err(differs("place"));
        }
        if stored.receipts.get(index) != replayed.receipts.get(index) {
            return Err(differs("receipt"));
        }
    }
    let (due, places, receipts) = (replayed.included.len(), stored.places.len(), stored.receipts.len());
    if (places, receipts) == (due, due) {
        return Ok(());
    }
    let what = format!("{places} places and {receipts} receipts for {due} transactions, so that some are");
    Err(Fault::Missing { height, what })
}

/// Compares the latest state that a node stored with the one that its chain leads to.
///
/// # Errors
///
/// [`Fault::State`] names the first key at which they differ.
pub fn compare_state<A: OrderedStore, B: OrderedStore>(
    stored: &Reader<A>,
    executed: &Reader<B>,
) -> Result<u64, AuditError> {
    let height = executed.head().header.height;
    let (mut from, mut compared) = (Vec::new(), 0u64);
    loop {
        let (ours, theirs) = (executed.state_from(&from, STATE_PAGE)?, stored.state_from(&from, STATE_PAGE)?);
        let differing = (0..ours.len().max(theirs.len())).find(|place| ours.get(*place) != theirs.get(*place));
        if let Some(place) = differing {
            return Err(state_fault(height, theirs.get(place), ours.get(place)).into());
        }
        compared = compared.saturating_add(count(ours.len()));
        match ours.last() {
            // The first key above the last one.
            Some((key, _)) if ours.len() == STATE_PAGE => from = [key.as_slice(), &[0]].concat(),
            _ => return Ok(compared),
        }
    }
}

fn state_fault(height: Height, stored: Option<&StoreEntry>, executed: Option<&StoreEntry>) -> Fault {
    // The lower key is the one that one of the two does not have.
    let key = [stored, executed].into_iter().flatten().map(|(key, _)| key).min();
    let value = |entry: Option<&StoreEntry>| match entry {
        Some((own, value)) if Some(own) == key => const_hex::encode_prefixed(value),
        _ => "nothing".to_owned(),
    };
    let (found, executed) = (value(stored), value(executed));
    Fault::State { height, key: key.map(const_hex::encode_prefixed).unwrap_or_default(), found, executed }
}
