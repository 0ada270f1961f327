//! `evidence_*`: who provably misbehaved, as this node knows it and as final blocks say.

use althing_types::ValidatorIndex;

use crate::api::{ApiError, EvidenceAnswer, EvidenceView, ListEvidenceParams, Page};
use crate::backend::Backend;
use crate::server::cursor::{Cursor, page_items};
use crate::server::window::Window;

/// `evidence_list`.
pub(super) async fn list<B: Backend>(
    window: &Window<B>,
    params: ListEvidenceParams,
) -> Result<EvidenceAnswer, ApiError> {
    let limit = page_items(params.limit)?;
    let beyond = Cursor::evidence(params.cursor.as_deref())?;
    let culprit = params.validator.map(ValidatorIndex::new);
    // What is pending belongs to the beginning of the list. It is looked at first: a piece that a block takes in
    // meanwhile then stands in both, and never in neither.
    let pending = if beyond.is_none() { window.ask(window.backend.pending_evidence()).await? } else { Vec::new() };
    // One more than asked for shows whether the list goes on.
    let mut records = window.read(move |backend| backend.evidence(culprit, beyond, limit + 1)).await?;
    let goes_on = records.len() > limit;
    records.truncate(limit);
    let last = records.last().filter(|_| goes_on).map(|last| Cursor::Evidence(last.height, last.index).to_text());
    let validators = window.backend.validators().validators;
    let asked = pending.iter().filter(|piece| culprit.is_none_or(|culprit| piece.culprit() == culprit));
    let pending = asked.map(|piece| EvidenceView::of(piece, None, &validators)).collect();
    let view = |record: &crate::backend::EvidenceRecord| {
        EvidenceView::of(&record.evidence, Some((record.height, record.index)), &validators)
    };
    Ok(EvidenceAnswer { pending, page: Page { items: records.iter().map(view).collect(), next_cursor: last } })
}
