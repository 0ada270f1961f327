//! The methods, by namespace: each reads its parameters, asks the backend, and writes the answer.

mod account;
mod chain;
mod evidence;
mod node;
mod transaction;

use serde_json::value::RawValue;

use super::parameters::parse;
use super::window::{Window, answer};
use crate::api::{ApiError, ErrorCode, Method, NoParams};
use crate::backend::Backend;

/// Carries out a method that has one answer.
pub(super) async fn call<B: Backend>(
    window: &Window<B>,
    method: Method,
    params: Option<&RawValue>,
) -> Result<Box<RawValue>, ApiError> {
    match method {
        Method::ChainGetBlock => answer(&chain::block(window, parse(method, params)?).await?),
        Method::ChainListBlocks => answer(&chain::blocks(window, parse(method, params)?).await?),
        Method::TxSubmit => answer(&transaction::submit(window, parse(method, params)?).await?),
        Method::TxSubmitMany => answer(&transaction::submit_many(window, parse(method, params)?).await?),
        Method::TxGet => answer(&transaction::find(window, parse(method, params)?).await?),
        Method::TxWait => answer(&transaction::wait(window, parse(method, params)?).await?),
        Method::TxSimulate => answer(&transaction::simulate(window, parse(method, params)?).await?),
        Method::AccountGet => answer(&account::account(window, parse(method, params)?).await?),
        Method::AccountGetHistory => answer(&account::history(window, parse(method, params)?).await?),
        Method::EvidenceList => answer(&evidence::list(window, parse(method, params)?).await?),
        _ => {
            let NoParams {} = parse(method, params)?;
            call_without_parameters(window, method).await
        }
    }
}

async fn call_without_parameters<B: Backend>(window: &Window<B>, method: Method) -> Result<Box<RawValue>, ApiError> {
    match method {
        Method::NodeStatus => answer(&window.ask(window.backend.status()).await?),
        Method::NodeWhy => answer(&window.ask(window.backend.why()).await?),
        Method::NodePeers => answer(&window.ask(window.backend.peers()).await?),
        Method::ConsensusState => answer(&window.ask(window.backend.consensus()).await?),
        Method::ValidatorsList => answer(&window.backend.validators()),
        Method::NodeGenesis => answer(&node::genesis(window)),
        Method::RpcMethods => answer(&node::methods()),
        Method::ChainGetHead => answer(&chain::head(window)),
        Method::AssetList => answer(&account::assets(window).await?),
        // The others have parameters, or are subscriptions, which the library carries out.
        _ => Err(ApiError::new(ErrorCode::Transport, format!("{method} cannot be called like this"))),
    }
}
