//! `chain_*`: blocks by height, by id, and in lists.

use althing_types::{Hash, Height, SignedTransaction, Status, encode};

use crate::api::{
    ApiError, BlockAnswer, BlockItem, BlockProof, BlockTransaction, Decimal, Detail, ENCODING, ErrorCode,
    FailedTransaction, GetBlockParams, HeadView, HeaderView, Hex, ListBlocksParams, Notation, Order, Page, ResultView,
    status_name,
};
use crate::backend::{Backend, BlockId, BlockRecord, TransactionRecord};
use crate::server::cursor::{Cursor, page_items};
use crate::server::window::Window;

/// Bytes of the transactions of one page at most: written out they take several times as much.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// `chain_getHead`.
pub(super) fn head<B: Backend>(window: &Window<B>) -> HeadView {
    let head = window.head();
    HeadView {
        height: Decimal(head.header.height),
        block_hash: Hex(head.summary.block),
        state_root: Hex(head.summary.state_root),
        time: Decimal(head.header.time),
        epoch: Decimal(head.header.epoch),
        certified_height: Decimal(head.certified),
    }
}

/// `chain_getBlock`.
pub(super) async fn block<B: Backend>(window: &Window<B>, params: GetBlockParams) -> Result<BlockAnswer, ApiError> {
    let id = block_id(window, &params)?;
    let prove = params.prove.unwrap_or(false);
    let detail = params.detail.unwrap_or_default();
    if detail != Detail::Full && (params.cursor.is_some() || params.limit.is_some()) {
        let message = "cursor and limit belong to the transactions of a block, which only detail \"full\" lists";
        return Err(ApiError::new(ErrorCode::InvalidParams, message).with("field", "detail"));
    }
    let from = Cursor::transactions(params.cursor.as_deref())?.map_or(0, |last| last.saturating_add(1));
    let limit = page_items(params.limit)?;
    let notation = window.notation().clone();
    window
        .read(move |backend| {
            let record = backend.block(id)?.ok_or_else(|| not_found(id))?;
            let height = record.header.height;
            let mut answer = without_detail(&record);
            match detail {
                Detail::Header => {}
                Detail::Hashes => {
                    let outcomes = backend.outcomes(height)?;
                    answer.failed = Some(failed(&outcomes));
                    answer.tx_ids = Some(outcomes.into_iter().map(|(id, _)| Hex(id)).collect());
                }
                Detail::Full => {
                    let records = backend.transactions(height, from, limit)?;
                    answer.transactions = Some(page(records, &notation, record.summary.tx_count)?);
                }
            }
            if prove {
                answer.proof = Some(proof(backend, height)?);
            }
            Ok(answer)
        })
        .await
}

/// `chain_listBlocks`.
pub(super) async fn blocks<B: Backend>(
    window: &Window<B>,
    params: ListBlocksParams,
) -> Result<Page<BlockItem>, ApiError> {
    let order = params.order.unwrap_or_default();
    let limit = page_items(params.limit)?;
    let last = Cursor::blocks(params.cursor.as_deref())?;
    let head = window.head().header.height;
    let from = match (order, last) {
        (Order::Asc, None) => Some(Height::ZERO),
        (Order::Desc, None) => Some(head),
        (Order::Asc, Some(last)) => Some(last.next()).filter(|next| *next > last && *next <= head),
        (Order::Desc, Some(last)) => (last > Height::ZERO).then(|| last.previous().min(head)),
    };
    let Some(from) = from else { return Ok(Page { items: Vec::new(), next_cursor: None }) };
    let records = window.read(move |backend| backend.blocks(from, limit, order)).await?;
    let items: Vec<BlockItem> = records.iter().map(|record| BlockItem::of(&record.header, &record.summary)).collect();
    let end = if order == Order::Asc { head } else { Height::ZERO };
    let last = records.last().map(|record| record.header.height).filter(|last| *last != end);
    Ok(Page { items, next_cursor: last.map(|last| Cursor::Blocks(last).to_text()) })
}

fn block_id<B: Backend>(window: &Window<B>, params: &GetBlockParams) -> Result<BlockId, ApiError> {
    match (params.height, params.hash) {
        (Some(_), Some(_)) => {
            Err(ApiError::new(ErrorCode::InvalidParams, "give a height or a hash, not both").with("field", "hash"))
        }
        (Some(Decimal(height)), None) => check_height(window, height).map(BlockId::Height),
        (None, Some(Hex(hash))) => Ok(BlockId::Hash(hash)),
        (None, None) => Ok(BlockId::Height(window.head().header.height)),
    }
}

/// Refuses a height above the last executed block.
pub(super) fn check_height<B: Backend>(window: &Window<B>, height: Height) -> Result<Height, ApiError> {
    let head = window.head().header.height;
    if height <= head {
        return Ok(height);
    }
    let message = format!("height {height} is above the latest block, which is {head}");
    let error = ApiError::new(ErrorCode::HeightInFuture, message);
    Err(error.with_number("given", height.get()).with_number("latest", head.get()))
}

fn not_found(id: BlockId) -> ApiError {
    let message = match id {
        BlockId::Height(height) => format!("there is no block of height {height} here"),
        BlockId::Hash(hash) => format!("there is no block {hash} here"),
    };
    ApiError::new(ErrorCode::NotFound, message)
}

fn without_detail(record: &BlockRecord) -> BlockAnswer {
    BlockAnswer {
        header: HeaderView::of(&record.header),
        result: ResultView::of(&record.summary),
        finalized_view: record.finalized_view.map(Decimal),
        tx_ids: None,
        failed: None,
        transactions: None,
        proof: None,
    }
}

/// Those that did not end well, by their place.
fn failed(outcomes: &[(Hash, Status)]) -> Vec<FailedTransaction> {
    let placed = (0..).zip(outcomes).filter(|(_, (_, status))| *status != Status::Ok);
    placed.map(|(index, (_, status))| FailedTransaction { index, status: status_name(*status).to_owned() }).collect()
}

fn page(records: Vec<TransactionRecord>, notation: &Notation, count: u32) -> Result<Page<BlockTransaction>, ApiError> {
    let mut items = Vec::with_capacity(records.len());
    let mut bytes = 0usize;
    for record in records {
        bytes = bytes.saturating_add(record.bytes.len());
        // The first one is taken however long it is, so that a page always moves on.
        if bytes > PAGE_BYTES_MAX && !items.is_empty() {
            break;
        }
        items.push(BlockTransaction {
            index: record.index,
            transaction: notation.transaction(&decoded(&record)?),
            receipt: notation.receipt(&record.receipt),
        });
    }
    let last = items.last().map(|item| item.index).filter(|last| last.saturating_add(1) < count);
    Ok(Page { items, next_cursor: last.map(|last| Cursor::Transactions(last).to_text()) })
}

/// A transaction that the chain holds. It was decoded before it was executed.
pub(super) fn decoded(record: &TransactionRecord) -> Result<SignedTransaction, ApiError> {
    althing_types::decode(&record.bytes, althing_types::DEPLOY_BYTES_MAX).map_err(|error| {
        tracing::error!(height = record.height.get(), index = record.index, %error, "a stored transaction is none");
        ApiError::new(ErrorCode::Internal, "a stored transaction does not decode")
    })
}

fn proof<B: Backend>(backend: &B, height: Height) -> Result<BlockProof, ApiError> {
    let (chain, summary) = backend.prove_block(height)?;
    Ok(BlockProof {
        encoding: ENCODING.to_owned(),
        chain: Hex(encode(&chain)),
        summary: summary.map(|summary| Hex(encode(&summary))),
    })
}
