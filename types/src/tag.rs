//! The one table of domain tags: what keeps a hash or signature of one kind from being taken for another.
//!
//! A tag is `althing/<type>/v<n>`. A new format of a type gets a new number; a tag is never reused. The Jellyfish
//! Merkle tree's own separators and RFC 6962's prefix bytes are the two exceptions, in `proof` and `merkle`.

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)+) => {
        /// A domain tag. See the module's table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Tag { $($(#[$doc])* $name,)+ }

        impl Tag {
            /// Every tag, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The tag's text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The length of the text in bytes; a test holds it below 256.
            pub(crate) const fn length(self) -> u8 {
                match self { $(Self::$name => short_length($text),)+ }
            }
        }
    };
}

/// The length of a tag as one byte, checked when the crate is compiled.
const fn short_length(text: &str) -> u8 {
    let length = text.len().to_le_bytes();
    assert!(text.len() < 256, "a domain tag is at most 255 bytes long");
    let [low, ..] = length;
    low
}

tags! {
    /// Replay id of a transaction: its body (`decisions.md` 1.4).
    TransactionId => "althing/tx-id/v1",
    /// Hash of a transaction's full bytes, for verdicts and seen-caches.
    TransactionBytes => "althing/wtx-id/v1",
    /// What the signers of a transaction sign.
    TransactionSign => "althing/tx-sign/v1",
    /// Address of an account: its policy at creation.
    Address => "althing/address/v1",
    /// Address of a contract: its creator, salt and code.
    ContractAddress => "althing/contract/v1",
    /// Identifier of an asset that genesis names.
    GenesisAsset => "althing/genesis-asset/v1",
    /// Identifier of an asset that an account issues.
    IssuedAsset => "althing/issued-asset/v1",
    /// Block id: the header.
    BlockId => "althing/block/v1",
    /// The accumulated lane cut after a block.
    LanesRoot => "althing/lanes/v1",
    /// A validator set.
    ValidatorSet => "althing/validators/v1",
    /// Chain parameters.
    ChainParams => "althing/params/v1",
    /// A genesis document.
    Genesis => "althing/genesis/v1",
    /// The proof in genesis that binds a validator key and a node key.
    KeyBinding => "althing/key-binding/v1",
    /// What a validator signs to approve a genesis document.
    GenesisApproval => "althing/genesis-approval/v1",
    /// A vote: notarize, nullify or finalize.
    Vote => "althing/vote/v1",
    /// Digest of a batch.
    BatchId => "althing/batch/v1",
    /// What the owner of a lane signs for a batch.
    BatchSign => "althing/batch-sign/v1",
    /// Keys of a development network, derived from a public seed.
    DevKey => "althing/dev-key/v1",
    /// The identity that a vote log is bound to.
    VoteLog => "althing/vote-log/v1",
    /// The identity that a batch log is bound to.
    BatchLog => "althing/batch-log/v1",
    /// The running digest of an archive (`docs/spec/archive.md`).
    Archive => "althing/archive/v1",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn tags_are_unique_and_of_one_form() {
        let texts: BTreeSet<&str> = Tag::ALL.iter().map(|tag| tag.as_str()).collect();
        assert_eq!(texts.len(), Tag::ALL.len());
        for tag in Tag::ALL {
            let parts: Vec<&str> = tag.as_str().split('/').collect();
            assert!(matches!(parts.as_slice(), ["althing", _, "v1"]), "{tag:?}");
            assert_eq!(usize::from(tag.length()), tag.as_str().len());
        }
    }

    #[test]
    fn no_tag_with_its_length_is_a_prefix_of_another() {
        for a in Tag::ALL {
            for b in Tag::ALL {
                assert!(a == b || a.length() != b.length() || a.as_str() != b.as_str());
            }
        }
    }
}
