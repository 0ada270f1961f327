//! Evidence of misbehaviour, as `evidence_list` shows it.

use althing_types::{Epoch, Evidence, EvidenceKind, Height, View, encode};
use serde::{Deserialize, Serialize};

use super::form::{Decimal, Hex};
use super::node::ValidatorView;
use super::page::Page;

/// The answer of `evidence_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceAnswer {
    /// What this node holds and no final block does yet, ascending by culprit. Only where the list begins, and none at
    /// an observer.
    pub pending: Vec<EvidenceView>,
    /// What final blocks hold, ascending by height and place.
    #[serde(flatten)]
    pub page: Page<EvidenceView>,
}

/// Two signed statements of one validator that no honest one makes together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceView {
    /// The validator's place in the set.
    pub culprit: u16,
    /// Its name in the genesis document; empty if the set has no such validator.
    pub name: String,
    /// Which pair it is, in words.
    pub kind: String,
    /// The epoch of both statements.
    pub epoch: Decimal<Epoch>,
    /// The view of two votes.
    pub view: Option<Decimal<View>>,
    /// The place of two batches in the culprit's lane.
    pub lane_seq: Option<Decimal<u64>>,
    /// The canonical bytes of both statements with their signatures, the smaller one first.
    pub statements: [Hex<Vec<u8>>; 2],
    /// The canonical bytes of the whole piece: what anybody can verify with the genesis document alone.
    pub evidence: Hex<Vec<u8>>,
    /// The height of the block that holds it; none while no final one does.
    pub height: Option<Decimal<Height>>,
    /// Its place among the evidence of that block.
    pub index: Option<u32>,
}

impl EvidenceView {
    /// A piece, with where it stands if a final block holds it. `validators` gives the culprit its name.
    pub fn of(evidence: &Evidence, at: Option<(Height, u32)>, validators: &[ValidatorView]) -> Self {
        let culprit = evidence.culprit().get();
        let name = validators.iter().find(|validator| validator.index == culprit).map(|it| it.name.clone());
        let (view, lane_seq) = match evidence {
            Evidence::Votes(vote, _) => (Some(Decimal(vote.vote.view())), None),
            Evidence::Batches((head, _), _) => (None, Some(Decimal(head.seq))),
        };
        Self {
            culprit,
            name: name.unwrap_or_default(),
            kind: evidence
                .kind()
                .map_or("statements that do not contradict each other", EvidenceKind::words)
                .to_owned(),
            epoch: Decimal(evidence.epoch()),
            view,
            lane_seq,
            statements: evidence.statements().map(Hex),
            evidence: Hex(encode(evidence)),
            height: at.map(|(height, _)| Decimal(height)),
            index: at.map(|(_, index)| index),
        }
    }
}
