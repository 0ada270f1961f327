//! Shapes of requests and answers, the methods, and the errors: everything that both ends of the wire must agree on.
//!
//! One rule for each kind of value: integers that may exceed 32 bits are decimal strings ([`Decimal`]), smaller ones
//! are numbers; hashes, keys and bytes are `0x` and lower-case hexadecimal digits ([`Hex`]); addresses are bech32m
//! with the chain's prefix, and requests may also give them as `0x` and 64 digits. Names are in camel case. Requests
//! refuse fields that they do not know; answers may gain fields, so readers ignore what they do not know.
//!
//! The types of the room `types` are not serializable on purpose: their only encoding is the canonical one. What they
//! look like here is written out by [`Notation`].

mod account;
mod block;
mod code;
mod error;
mod evidence;
mod form;
mod method;
mod node;
mod notation;
mod page;
mod prove;
mod request;
mod transaction;
mod why;

pub use account::{
    AccountAnswer, AccountLaneView, AccountProof, AssetView, HistoryItem, Ics23View, PolicyKeyView, PolicyView,
    ProvenKey,
};
pub use block::{
    BlockAnswer, BlockItem, BlockNews, BlockProof, BlockTransaction, Context, FailedTransaction, HeaderView, ResultView,
};
pub use code::ErrorCode;
pub use error::{ApiError, ErrorData, ErrorObject};
pub use evidence::{EvidenceAnswer, EvidenceView};
pub use form::{Decimal, DecimalValue, FormError, Hex, HexValue};
pub use method::{Method, MethodKind};
pub use node::{
    CheckView, ConsensusAnswer, GenesisAnswer, HeadView, HealthAnswer, MempoolView, MethodView, MethodsAnswer,
    PeerCountView, PeerView, Role, StatusAnswer, SyncState, SyncView, TimerView, ValidatorView, ValidatorsAnswer,
    VersionView, VotesView,
};
pub use notation::{AssetNames, Notation, refusal_of, status_name};
pub use page::{Order, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page};
pub use prove::Prove;
pub use request::{
    AccountHistoryParams, Detail, GetAccountParams, GetBlockParams, GetTransactionParams, ListBlocksParams,
    ListEvidenceParams, NoParams, SUBMIT_MANY_MAX, SimulateParams, SubmitManyParams, SubmitParams,
    SubscribeBlocksParams, WAIT_MS_DEFAULT, WAIT_MS_MAX, WaitTransactionParams, WaitUntil,
};
pub use transaction::{
    ActionView, EventView, ReceiptView, ReplayView, SimulateAnswer, SponsorView, SubmitAnswer, SubmitManyAnswer,
    SubmitManyItem, TransactionAnswer, TransactionProof, TransactionStatus, TransactionView,
};
pub use why::{WhyAnswer, WhyCause, WhyFinding, WhyParty, WhyReason, WhyState};

/// The version of these shapes. It grows when a field or a method goes or changes its meaning.
pub const PROTOCOL: u32 = 1;
/// How proofs are encoded: the canonical encoding of the room `types`, in hexadecimal.
pub const ENCODING: &str = "borsh";
