//! Native assets: what a transfer moves.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::address::Address;
use crate::codec::Text;
use crate::hash::Hash;
use crate::tag::Tag;

/// Identifier of a native asset: the hash of its symbol and of who may issue it (`decisions.md` 1.22).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct AssetId(Hash);

/// Longest asset symbol in bytes.
const SYMBOL_MAX: usize = 16;

/// The short name of an asset: 1 to 16 upper-case letters or digits that begin with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct AssetSymbol(Text<SYMBOL_MAX>);

/// Why a text is no asset symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an asset symbol is 1 to 16 upper-case letters or digits that begin with a letter, not {given:?}")]
pub struct SymbolError {
    /// The text as given.
    pub given: String,
}

impl AssetSymbol {
    /// The symbol's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for AssetSymbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
        let rest = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        match Text::new(text) {
            Ok(symbol) if begins && rest => Ok(Self(symbol)),
            _ => Err(SymbolError { given: text.to_owned() }),
        }
    }
}

impl fmt::Display for AssetSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AssetId {
    /// The asset that genesis names with this symbol.
    pub fn of_genesis(symbol: &AssetSymbol) -> Self {
        Self(Hash::of(Tag::GenesisAsset, symbol))
    }

    /// The asset that `issuer` issues under this symbol.
    pub fn issued(issuer: &Address, symbol: &AssetSymbol) -> Self {
        Self(Hash::of(Tag::IssuedAsset, &(issuer, symbol)))
    }

    /// The identifier as a hash.
    pub const fn as_hash(&self) -> &Hash {
        &self.0
    }
}

impl fmt::Debug for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_have_one_form() {
        for bad in ["", "usd", "1USD", "US D", "ABCDEFGHIJKLMNOPQ", "ÜSD"] {
            assert!(bad.parse::<AssetSymbol>().is_err(), "{bad}");
        }
        assert_eq!("USD2".parse::<AssetSymbol>().map(|symbol| symbol.to_string()), Ok("USD2".to_owned()));
    }

    #[test]
    fn issuer_and_genesis_assets_never_collide() {
        let symbol: AssetSymbol = "USD".parse().expect("valid");
        let a = AssetId::issued(&Address::new([1; 32]), &symbol);
        let b = AssetId::issued(&Address::new([2; 32]), &symbol);
        assert!(a != b && a != AssetId::of_genesis(&symbol));
    }
}
