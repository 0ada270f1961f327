//! A receiver whose type is forgotten, so that the event loop and the whole of libp2p are compiled in this room, once,
//! and not again in every crate that starts a network. It costs one allocation for each call.

use std::sync::Arc;

use althing_types::PublicKey;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::class::Class;
use crate::receiver::{Misbehaviour, Receiver, Topic, Verdict};

/// The owner of a network, whoever it is.
pub(crate) struct Owner(Arc<dyn Anybody>);

/// [`Receiver`] in a form that can be called without knowing the type.
trait Anybody: Send + Sync {
    fn frame<'a>(&'a self, from: &'a PublicKey, class: Class, bytes: Vec<u8>) -> BoxFuture<'a, Taken>;
    fn connected(&self, peer: &PublicKey, is_connected: bool);
    fn request<'a>(&'a self, from: &'a PublicKey, bytes: Vec<u8>) -> BoxFuture<'a, Option<Vec<u8>>>;
    fn gossip<'a>(&'a self, from: &'a PublicKey, topic: Topic, bytes: Vec<u8>) -> BoxFuture<'a, Verdict>;
}

type Taken = Result<(), Misbehaviour>;

impl Owner {
    pub(crate) fn new<R: Receiver>(receiver: Arc<R>) -> Self {
        Self(receiver)
    }
}

impl<R: Receiver> Anybody for R {
    fn frame<'a>(&'a self, from: &'a PublicKey, class: Class, bytes: Vec<u8>) -> BoxFuture<'a, Taken> {
        Receiver::frame(self, from, class, bytes).boxed()
    }

    fn connected(&self, peer: &PublicKey, is_connected: bool) {
        Receiver::connected(self, peer, is_connected);
    }

    fn request<'a>(&'a self, from: &'a PublicKey, bytes: Vec<u8>) -> BoxFuture<'a, Option<Vec<u8>>> {
        Receiver::request(self, from, bytes).boxed()
    }

    fn gossip<'a>(&'a self, from: &'a PublicKey, topic: Topic, bytes: Vec<u8>) -> BoxFuture<'a, Verdict> {
        Receiver::gossip(self, from, topic, bytes).boxed()
    }
}

impl Receiver for Owner {
    async fn frame(&self, from: &PublicKey, class: Class, bytes: Vec<u8>) -> Taken {
        self.0.frame(from, class, bytes).await
    }

    fn connected(&self, peer: &PublicKey, is_connected: bool) {
        self.0.connected(peer, is_connected);
    }

    async fn request(&self, from: &PublicKey, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.0.request(from, bytes).await
    }

    async fn gossip(&self, from: &PublicKey, topic: Topic, bytes: Vec<u8>) -> Verdict {
        self.0.gossip(from, topic, bytes).await
    }
}
