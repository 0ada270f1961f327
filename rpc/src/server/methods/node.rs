//! `node_*` and `rpc_*`.

use crate::api::{GenesisAnswer, Hex, Method, MethodView, MethodsAnswer, PROTOCOL};
use crate::backend::Backend;
use crate::server::window::Window;

/// `node_genesis`.
pub(super) fn genesis<B: Backend>(window: &Window<B>) -> GenesisAnswer {
    let chain = window.backend.chain();
    GenesisAnswer { genesis_hash: Hex(chain.genesis), document: chain.document.clone() }
}

/// `rpc_methods`.
pub(super) fn methods() -> MethodsAnswer {
    let view = |method: &Method| MethodView {
        name: method.name().to_owned(),
        params: method.params().iter().map(|name| (*name).to_owned()).collect(),
        summary: method.summary().to_owned(),
    };
    MethodsAnswer { protocol: PROTOCOL, methods: Method::ALL.iter().map(view).collect() }
}
