//! Making a transaction: the body, and the signatures of those who must agree.
//!
//! A body is complete before it is signed; whoever signs later signs the same bytes. Nothing here reads a clock or draws
//! a random number: the caller gives the time until which a transaction is valid and what makes it different from an
//! equal one.

use althing_types::{
    Action, Address, AuthPolicy, AuthProof, Bytes, Hash, List, PublicKey, Replay, SecretKey, Signature,
    SignedTransaction, Sponsorship, TransactionBody, TransactionError,
};

/// Why a transaction cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The memo is too long.
    #[error("the memo has {length} bytes, at most {max} are allowed")]
    Memo {
        /// Its length.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// The transaction breaks a rule of its form.
    #[error(transparent)]
    Form(#[from] TransactionError),
    /// The key belongs to nobody who has to sign.
    #[error("the key {key} signs for neither the sender nor the sponsor")]
    Stranger {
        /// The key.
        key: PublicKey,
    },
}

/// What a transaction is made of. Fields without a meaning in this version are left empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionBuilder {
    body: TransactionBody,
}

impl TransactionBuilder {
    /// A transaction of `sender` on the chain with this genesis hash. The gas limit is what the caller computes from
    /// the finished transaction; see [`TransactionBuilder::gas_limit`].
    pub fn new(chain: Hash, sender: Address, replay: Replay, action: Action) -> Self {
        let body = TransactionBody {
            chain,
            sender,
            replay,
            gas_limit: 0,
            sponsor: None,
            action,
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        Self { body }
    }

    /// The most gas that it may use.
    pub const fn gas_limit(mut self, gas: u64) -> Self {
        self.body.gas_limit = gas;
        self
    }

    /// Somebody else pays.
    pub const fn sponsor(mut self, sponsorship: Sponsorship) -> Self {
        self.body.sponsor = Some(sponsorship);
        self
    }

    /// A remark.
    pub fn memo(mut self, memo: &str) -> Result<Self, BuildError> {
        let too_long = |_| BuildError::Memo { length: memo.len(), max: althing_types::MEMO_BYTES_MAX };
        self.body.memo = Bytes::new(memo.as_bytes().to_vec()).map_err(too_long)?;
        Ok(self)
    }

    /// The finished body.
    pub fn build(self) -> TransactionBody {
        self.body
    }
}

/// Adds the signature of a key that stands for `who`. `reveal` is the policy behind the address, for an account that
/// never set one. Signing twice with one key changes nothing.
pub fn add_signature(
    body: &TransactionBody,
    auth: Vec<AuthProof>,
    who: Address,
    reveal: Option<AuthPolicy>,
    key: &SecretKey,
) -> Result<Vec<AuthProof>, BuildError> {
    let is_expected = who == body.sender || body.sponsor.is_some_and(|sponsor| sponsor.payer == who);
    if !is_expected {
        return Err(BuildError::Stranger { key: key.public_key() });
    }
    let signature = key.sign(&body.sign_hash());
    Ok(with_signature(auth, who, reveal, (key.public_key(), signature)))
}

/// The proofs with one signature more, in the one order that is allowed.
fn with_signature(
    mut auth: Vec<AuthProof>,
    who: Address,
    reveal: Option<AuthPolicy>,
    signed: (PublicKey, Signature),
) -> Vec<AuthProof> {
    match auth.iter_mut().find(|proof| proof.who == who) {
        Some(proof) => {
            let mut sigs = std::mem::take(&mut proof.sigs).into_inner();
            sigs.retain(|(key, _)| *key != signed.0);
            sigs.push(signed);
            sigs.sort_by_key(|(key, _)| *key);
            proof.sigs = List::truncated(sigs);
            proof.reveal = proof.reveal.take().or(reveal);
        }
        None => auth.push(AuthProof { who, reveal, sigs: List::truncated(vec![signed]) }),
    }
    auth.sort_by_key(|proof| proof.who);
    auth
}

/// A transaction with these proofs, if its form is right.
pub fn assemble(body: TransactionBody, auth: Vec<AuthProof>) -> Result<SignedTransaction, BuildError> {
    let chain = body.chain;
    let transaction = SignedTransaction::V1 { body, auth: List::truncated(auth) };
    transaction.check_form(&chain)?;
    Ok(transaction)
}

/// A transaction of an account that one key stands for and that never set a policy.
pub fn sign_simple(body: TransactionBody, key: &SecretKey) -> Result<SignedTransaction, BuildError> {
    let reveal = AuthPolicy::Key(key.public_key());
    let who = body.sender;
    let auth = add_signature(&body, Vec::new(), who, Some(reveal), key)?;
    assemble(body, auth)
}
