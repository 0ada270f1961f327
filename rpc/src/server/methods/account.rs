//! `account_*` and `asset_*`: what the state says, and why it is to be believed.

use std::collections::BTreeMap;

use althing_types::{
    Account, Address, AssetId, Height, ICS23_SPEC_NAME, StateKey, StateProof, decode, encode, ics23_presence,
};
use tokio::time::timeout;

use super::chain::check_height;
use crate::api::{
    AccountAnswer, AccountHistoryParams, AccountProof, ApiError, AssetView, Context, Decimal, ENCODING, ErrorCode,
    GetAccountParams, Hex, HistoryItem, Ics23View, Notation, Page, Prove, ProvenKey, status_name,
};
use crate::backend::{AccountRecord, AssetEntry, Backend, BlockId, ProvenState};
use crate::server::cursor::{Cursor, page_items};
use crate::server::window::Window;

/// Bytes of an account's record or of an amount at most: 32 keys and 16 lanes take less.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// `account_get`.
pub(super) async fn account<B: Backend>(
    window: &Window<B>,
    params: GetAccountParams,
) -> Result<AccountAnswer, ApiError> {
    let address = window.notation().parse_address(&params.address)?;
    if let Some(Decimal(height)) = params.min_height {
        reach(window, height).await?;
    }
    let at = params.at.map(|Decimal(height)| check_height(window, height)).transpose()?;
    let notation = window.notation().clone();
    let form = params.prove.unwrap_or_default();
    if form != Prove::No {
        return window.read(move |backend| proven(backend, &notation, &address, at, form)).await;
    }
    let height = at.unwrap_or_else(|| window.head().header.height);
    let record = window.read(move |backend| backend.account(&address, height)).await?;
    Ok(without_proof(&notation, &address, &record))
}

/// `account_getHistory`.
pub(super) async fn history<B: Backend>(
    window: &Window<B>,
    params: AccountHistoryParams,
) -> Result<Page<HistoryItem>, ApiError> {
    let address = window.notation().parse_address(&params.address)?;
    let order = params.order.unwrap_or_default();
    let limit = page_items(params.limit)?;
    let beyond = Cursor::history(params.cursor.as_deref())?;
    // One more than asked for shows whether the list goes on.
    let mut records = window.read(move |backend| backend.history(&address, beyond, order, limit + 1)).await?;
    let goes_on = records.len() > limit;
    records.truncate(limit);
    let last = records.last().filter(|_| goes_on).map(|last| Cursor::History(last.height, last.index).to_text());
    let item = |record: &crate::backend::HistoryRecord| HistoryItem {
        height: Decimal(record.height),
        index: record.index,
        time: Decimal(record.time),
        tx_id: Hex(record.id),
        status: status_name(record.status).to_owned(),
        sender: window.notation().address(&record.sender),
    };
    Ok(Page { items: records.iter().map(item).collect(), next_cursor: last })
}

/// `asset_list`.
pub(super) async fn assets<B: Backend>(window: &Window<B>) -> Result<Vec<AssetView>, ApiError> {
    let assets = window.read(B::assets).await?;
    let view = |asset: AssetEntry| AssetView {
        symbol: asset.symbol,
        asset_id: Hex(*asset.id.as_hash()),
        name: asset.name,
        decimals: asset.decimals,
        supply: Decimal(asset.supply),
    };
    Ok(assets.into_iter().map(view).collect())
}

/// Waits for a while until the node has executed a height.
async fn reach<B: Backend>(window: &Window<B>, height: Height) -> Result<(), ApiError> {
    let mut heads = window.backend.heads();
    let reached = timeout(window.limits.min_height_time, heads.wait_for(|head| *head >= height)).await;
    if matches!(reached, Ok(Ok(_))) {
        return Ok(());
    }
    let head = window.head().header.height;
    let message = format!("this node has executed height {head}, not yet {height}");
    let error = ApiError::new(ErrorCode::NodeBehind, message);
    Err(error.with_number("minHeight", height.get()).with_number("latest", head.get()))
}

fn without_proof(notation: &Notation, address: &Address, record: &AccountRecord) -> AccountAnswer {
    let (policy, lanes, frozen) = match &record.account {
        Some(account) => {
            let (policy, lanes, frozen) = notation.account(account);
            (Some(policy), lanes, frozen)
        }
        None => (None, Vec::new(), false),
    };
    let balances = record.balances.iter().map(|(asset, amount)| (notation.asset(asset), Decimal(*amount)));
    AccountAnswer {
        address: notation.address(address),
        balances: balances.collect::<BTreeMap<_, _>>(),
        policy,
        lanes,
        frozen,
        context: Context::of(&record.header, &record.summary),
        proof: None,
    }
}

/// The account as the proven values have it, with all of them: its record and its balance of every asset.
fn proven<B: Backend>(
    backend: &B,
    notation: &Notation,
    address: &Address,
    at: Option<Height>,
    form: Prove,
) -> Result<AccountAnswer, ApiError> {
    let assets: Vec<AssetId> = backend.assets()?.into_iter().map(|asset| asset.id).collect();
    let balances = assets.iter().map(|asset| StateKey::Balance(*address, *asset));
    let keys: Vec<StateKey> = std::iter::once(StateKey::Account(*address)).chain(balances).collect();
    let state = backend.prove(&keys, at)?;
    let (account, balances) = values(&state, &assets).ok_or_else(|| {
        tracing::error!(height = state.height.get(), "a stored account does not decode");
        ApiError::new(ErrorCode::Internal, "a stored account does not decode")
    })?;
    let block = backend.block(BlockId::Height(state.height))?;
    let block = block.ok_or_else(|| ApiError::new(ErrorCode::Internal, "the proven block is not there"))?;
    let record = AccountRecord { header: block.header, summary: block.summary, account, balances };
    let proof = account_proof(&keys, &state, form)?;
    Ok(AccountAnswer { proof: Some(proof), ..without_proof(notation, address, &record) })
}

/// The proofs of what stands under the keys. An account of which nothing is there has none in the form of ICS-23.
fn account_proof(keys: &[StateKey], state: &ProvenState, form: Prove) -> Result<AccountProof, ApiError> {
    let is_foreign = form == Prove::Ics23;
    if is_foreign && state.values.iter().all(Option::is_none) {
        let message = "nothing is there, and proofs in the form of ICS-23 show presence only";
        return Err(ApiError::new(ErrorCode::PresenceOnly, message).with_number("height", state.height.get()));
    }
    let proven_key = |((key, value), proof): ((&StateKey, &Option<Vec<u8>>), &StateProof)| {
        let foreign = value.as_ref().filter(|_| is_foreign).map(|value| foreign_proof(state, key, value, proof));
        Ok(ProvenKey {
            key: Hex(encode(key)),
            value: value.clone().map(Hex),
            proof: Hex(encode(proof)),
            ics23: foreign.transpose()?.map(Hex),
        })
    };
    let state_proofs = keys.iter().zip(&state.values).zip(&state.proofs).map(proven_key);
    let summary = state.summary.summary;
    let foreign = Ics23View {
        spec: ICS23_SPEC_NAME.to_owned(),
        height: Decimal(summary.height),
        state_root: Hex(summary.state_root),
    };
    Ok(AccountProof {
        encoding: ENCODING.to_owned(),
        state_proofs: state_proofs.collect::<Result<_, ApiError>>()?,
        summary_proof: Hex(encode(&state.summary)),
        ics23: is_foreign.then_some(foreign),
    })
}

/// A proof of presence in the form of ICS-23. That there is none can only be the node's fault: no record and no amount
/// is without bytes.
fn foreign_proof(state: &ProvenState, key: &StateKey, value: &[u8], proof: &StateProof) -> Result<Vec<u8>, ApiError> {
    let proof = ics23_presence(&state.summary.summary.state_root, key, value, proof);
    proof.map_err(|error| {
        tracing::error!(height = state.height.get(), %error, "a proof of the state does not verify");
        ApiError::new(ErrorCode::Internal, "a proof of the state does not verify")
    })
}

type AccountValues = (Option<Account>, Vec<(AssetId, u128)>);

/// What the proven values say; none if they are no account and amounts, or not one for each key.
fn values(state: &ProvenState, assets: &[AssetId]) -> Option<AccountValues> {
    let (record, amounts) = state.values.split_first()?;
    if amounts.len() != assets.len() || state.proofs.len() != state.values.len() {
        return None;
    }
    let account = match record {
        Some(bytes) => Some(decode(bytes, VALUE_BYTES_MAX).ok()?),
        None => None,
    };
    let held = assets.iter().zip(amounts).filter_map(|(asset, bytes)| Some((*asset, bytes.as_deref()?)));
    let balances: Option<Vec<_>> =
        held.map(|(asset, bytes)| Some((asset, decode::<u128>(bytes, VALUE_BYTES_MAX).ok()?))).collect();
    Some((account, balances?))
}
