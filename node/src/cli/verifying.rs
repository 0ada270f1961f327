//! Checking what a node answers against the validators in the user's own genesis document.

use althing_client::{
    AskedAccount, AskedBlock, Unverified, Verification, verify_account, verify_block, verify_transaction,
};
use althing_rpc::api::{AccountAnswer, BlockAnswer, Notation, TransactionAnswer};
use althing_types::{Address, AssetId, Committee, Hash, Height};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::remote::Chain;

/// A chain that the user knows by a document of its own.
pub(crate) struct Trusted {
    pub(crate) chain: Chain,
    committee: Committee,
}

/// What was checked, ready to be shown.
pub(crate) struct Verified(Verification);

impl Trusted {
    /// The chain by the user's own document; what the node says of itself is no ground for trust.
    pub(crate) fn of(chain: Option<Chain>) -> Result<Self, Failure> {
        let chain = chain.ok_or_else(|| {
            Failure::usage("verifying needs the genesis document, from somebody whom you trust")
                .hint("give --genesis FILE")
        })?;
        let committee = chain.genesis.committee();
        Ok(Self { chain, committee })
    }
}

impl Verified {
    pub(crate) const fn height(&self) -> u64 {
        self.0.height.get()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "height": self.0.height.to_string(),
            "blockHash": self.0.block.to_string(),
            "stateRoot": self.0.state_root.map(|root| root.to_string()),
            "certifiedHeight": self.0.certified_height.to_string(),
            "view": self.0.view.to_string(),
            "signers": self.0.signers,
        })
    }

    pub(crate) fn to_text(&self) -> String {
        let what = match self.0.state_root {
            Some(root) => format!("state root {root} of height {}", self.0.height),
            None => format!("header of height {}, whose results no certificate covers yet", self.0.height),
        };
        let validators = if self.0.signers == 1 { "validator" } else { "validators" };
        format!(
            "verified: {what}; certified by {} {validators} with the block of height {} (view {})\n",
            self.0.signers, self.0.certified_height, self.0.view
        )
    }
}

/// Checks an account with the balances of all assets of the chain, at a height if one was asked for.
pub(crate) fn verified_account(
    answer: &Value,
    address: Address,
    at: Option<u64>,
    trusted: &Trusted,
) -> Result<Verified, Failure> {
    let answer: AccountAnswer = shaped(answer)?;
    let assets = trusted.chain.genesis.assets().iter();
    let assets: Vec<(String, AssetId)> =
        assets.map(|asset| (asset.symbol.as_str().to_owned(), AssetId::of_genesis(&asset.symbol))).collect();
    let (prefix, at) = (trusted.chain.genesis.prefix(), at.map(Height::new));
    let asked = AskedAccount { address, prefix, at, assets: &assets };
    Ok(Verified(verify_account(&answer, &asked, &trusted.committee)?))
}

/// Checks a final transaction; returns the receipt too, written out from the certified bytes and not from the answer.
pub(crate) fn verified_transaction(answer: &Value, id: Hash, trusted: &Trusted) -> Result<(Verified, Value), Failure> {
    let answer: TransactionAnswer = shaped(answer)?;
    let (verification, receipt) = verify_transaction(&answer, id, &trusted.committee)?;
    let genesis = &trusted.chain.genesis;
    let assets = genesis.assets().iter();
    let names = assets.map(|asset| (AssetId::of_genesis(&asset.symbol), asset.symbol.as_str().to_owned()));
    let receipt = Notation::new(genesis.prefix().clone(), names.collect()).receipt(&receipt);
    Ok((Verified(verification), json!(receipt)))
}

/// Checks header and result of a block. What the proof does not cover is taken out of the answer.
pub(crate) fn verified_block(answer: &mut Value, asked: AskedBlock, trusted: &Trusted) -> Result<Verified, Failure> {
    let shape: BlockAnswer = shaped(answer)?;
    let verification = verify_block(&shape, asked, &trusted.committee)?;
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|name, _| name == "header" || (name == "result" && verification.state_root.is_some()));
    }
    Ok(Verified(verification))
}

fn shaped<T: DeserializeOwned>(answer: &Value) -> Result<T, Failure> {
    T::deserialize(answer).map_err(|error| {
        Failure::new(Exit::Network, "MALFORMED_ANSWER", format!("the answer is not what the method promises: {error}"))
    })
}

impl From<Unverified> for Failure {
    fn from(error: Unverified) -> Self {
        Self::new(Exit::Unverified, "UNVERIFIED", format!("the answer is not believed: {error}"))
            .hint("ask another node; if the genesis document is the right one, this node is wrong or lies")
    }
}
