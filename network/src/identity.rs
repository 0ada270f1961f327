//! Who is who: node keys as libp2p knows them, and the names of our protocols on one chain.
//!
//! A peer id is the multihash of a key, without loss in either direction, so peers are named by their key everywhere
//! outside of this room. Protocol names carry chain and genesis, so that nodes of two chains have no protocol in
//! common; that alone would tell an operator nothing, so each also says its genesis in the identify protocol.

use althing_types::{Hash, PublicKey, SecretKey};
use libp2p::identity::{Keypair, PublicKey as Libp2pKey, ed25519};
use libp2p::multihash::Multihash;
use libp2p::{PeerId, StreamProtocol};

use crate::class::Class;

/// The version of what nodes say to each other. A kind of message that an older node would take for garbage is a new one.
const VERSION: u32 = 2;
/// In front of what identify calls the protocol version.
const PREFIX: &str = "/althing/2/";
/// Characters of a foreign text that are shown at most.
const SHOWN_CHARS_MAX: usize = 64;

/// Which chain a node is on, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The hash of its genesis document.
    pub(crate) genesis: Hash,
    /// The display name of its chain.
    pub(crate) chain_id: String,
}

impl Chain {
    /// What we say in identify.
    pub(crate) fn version(&self) -> String {
        format!("{PREFIX}{}/{}", self.chain_id, self.genesis)
    }

    /// What a peer said in identify. Nothing if it is not an Althing node of this version.
    pub(crate) fn from_version(text: &str) -> Option<Self> {
        let (chain_id, genesis) = text.strip_prefix(PREFIX)?.rsplit_once('/')?;
        Some(Self { genesis: genesis.parse().ok()?, chain_id: shown(chain_id) })
    }

    /// The protocol name for streams of this class.
    pub(crate) fn stream_protocol(&self, class: Class) -> StreamProtocol {
        self.protocol(class.name())
    }

    /// The protocol name for anything on this chain.
    pub(crate) fn protocol(&self, what: &str) -> StreamProtocol {
        StreamProtocol::try_from_owned(format!("/{}/{}/{what}/{VERSION}", self.chain_id, self.short_genesis()))
            .expect("it starts with a slash, which is all that is asked")
    }

    /// The first eight digits of the genesis hash, for people and protocol names.
    pub(crate) fn short_genesis(&self) -> String {
        self.genesis.to_string().chars().skip(2).take(8).collect()
    }
}

/// The key pair as libp2p wants it.
pub(crate) fn keypair(key: &SecretKey) -> Keypair {
    let mut seed = *key.seed();
    Keypair::ed25519_from_bytes(&mut seed).expect("32 bytes are a seed of an Ed25519 key")
}

/// The peer id of a key, or why the library refuses the key.
pub(crate) fn peer_id(key: &PublicKey) -> Result<PeerId, String> {
    let key = ed25519::PublicKey::try_from_bytes(key.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Libp2pKey::from(key).to_peer_id())
}

/// The key of a peer id, if it is one of Ed25519.
pub(crate) fn public_key(peer: &PeerId) -> Option<PublicKey> {
    let hash: &Multihash<64> = peer.as_ref();
    let key = Libp2pKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(PublicKey::Ed25519(key.try_into_ed25519().ok()?.to_bytes()))
}

/// A text from outside, made fit for a terminal: printable ASCII, and not long.
pub(crate) fn shown(text: &str) -> String {
    shown_up_to(text, SHOWN_CHARS_MAX)
}

/// The same for a text that may have so many characters.
pub(crate) fn shown_up_to(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_peer_ids_name_each_other() {
        for seed in 0..50 {
            let secret = SecretKey::from_seed(&[seed; 32]);
            let id = peer_id(&secret.public_key()).expect("a good key");
            assert_eq!(id, keypair(&secret).public().to_peer_id());
            assert_eq!(public_key(&id), Some(secret.public_key()));
        }
        assert_eq!(public_key(&PeerId::random()), None, "an id of no key");
    }

    #[test]
    fn what_a_node_says_about_its_chain_is_understood_and_nothing_else_is() {
        let chain = Chain { genesis: Hash::new([0xab; 32]), chain_id: "a/b".to_owned() };
        let version = chain.version();
        assert_eq!(version, format!("/althing/2/a/b/0x{}", "ab".repeat(32)));
        assert_eq!(Chain::from_version(&version), Some(chain.clone()));
        assert_eq!(chain.stream_protocol(Class::Votes).as_ref(), "/a/b/abababab/votes/2");
        for other in ["", "ipfs/0.1.0", "/althing/2/", "/althing/2/x/0xab", "/althing/1/x/0x00"] {
            assert_eq!(Chain::from_version(other), None, "{other}");
        }
    }

    #[test]
    fn foreign_text_cannot_write_on_a_terminal() {
        assert_eq!(shown("a\u{1b}[31m\nb\u{202e}"), "a?[31m?b?");
        assert_eq!(shown(&"x".repeat(1_000)).len(), 64);
    }
}
