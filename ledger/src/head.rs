//! The last committed block: what the writer continues from and readers begin with.

use althing_storage::OrderedStore;
use althing_types::{Hash, Header, Height, LaneTip, Summary, View};

use crate::error::LedgerError;
use crate::record::{HeadRecord, SummaryRecord, load};
use crate::space::{HEADER, META, META_HEAD, SUMMARY, by_height};

/// The last committed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its header.
    pub header: Header,
    /// Its id.
    pub id: Hash,
    /// The view of the Finalization that came with it: its own, or that of a descendant. 0 for genesis.
    pub view: View,
    /// The tips of all lanes after it, ascending by lane.
    pub cut: Vec<LaneTip>,
    /// What its execution came to.
    pub summary: Summary,
    /// The highest height whose summary is carried by a block at or below the highest one with a Finalization of its
    /// own; none while there is no such height. State up to it can be proven.
    pub certified: Option<Height>,
    /// The version of the state tree after it.
    pub(crate) tree_version: u64,
}

impl Head {
    /// The head that a store holds.
    pub(crate) fn load<S: OrderedStore>(store: &S) -> Result<Self, LedgerError> {
        let missing = || LedgerError::corrupt("the head");
        let record: HeadRecord = load(store, META, META_HEAD, "the head")?.ok_or_else(missing)?;
        let key = by_height(record.height);
        let header: Header = load(store, HEADER, &key, "a header")?.ok_or_else(missing)?;
        let executed: SummaryRecord = load(store, SUMMARY, &key, "a summary")?.ok_or_else(missing)?;
        let id = header.id();
        if header.height != record.height || executed.summary.block != id {
            return Err(LedgerError::corrupt("the head"));
        }
        let HeadRecord { view, cut, certified, .. } = record;
        let SummaryRecord { summary, tree_version } = executed;
        Ok(Self { header, id, view, cut, summary, certified, tree_version })
    }

    /// What is stored of it beside what stands under its height.
    pub(crate) fn record(&self) -> HeadRecord {
        HeadRecord { height: self.header.height, view: self.view, cut: self.cut.clone(), certified: self.certified }
    }
}
