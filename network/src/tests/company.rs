//! Observers among validators: what they share, what they hear of, and what they may not do.

use super::raw::Raw;
use super::*;
use crate::SendError;

/// Options of validator 0 and of an observer with number 1 that dials it.
fn with_observer(port: u16) -> (Options, Options) {
    let roles = [Role::Validator, Role::Observer];
    (with_roles(validator(0, port, &[None, None]), &roles), with_roles(validator(1, 0, &[Some(port), None]), &roles))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_shares_no_streams_and_may_ask_as_soon_as_it_is_connected() {
    let (options, observer_options) = with_observer(free_port());
    let node = Node::start(options).await;
    let observer = Node::start(observer_options).await;
    observer.connects(key(0)).await;
    assert_eq!(observer.network.handle().request(&key(0), b"x".to_vec()).await, Ok(b"x, 1 bytes".to_vec()));
    node.connects(key(1)).await;
    assert_eq!(node.network.handle().request(&key(1), b"x".to_vec()).await, Ok(b"x, 1 bytes".to_vec()));
    for (from, to) in [(&node, 1), (&observer, 0)] {
        for class in Class::ALL {
            let sent = from.network.handle().send(&key(to), class, Arc::from([1]));
            assert_eq!(sent, Err(SendError::NotConnected), "{}", class.name());
        }
    }
    node.network.stop().await;
    observer.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_that_opens_streams_is_refused_them() {
    let port = free_port();
    let (options, _) = with_observer(port);
    let node = Node::start(options).await;
    // It believes itself to be a validator.
    let mut raw = Raw::new(&secret(1), key(0), Role::Validator);
    raw.dial(port);
    raw.until("it is let in", |raw| raw.established.len() == 1).await;
    for (refused, class) in (1..).zip(Class::ALL) {
        raw.open(class);
        raw.until("it is refused", |raw| raw.refused_streams == refused).await;
    }
    assert!(raw.opened.is_empty());
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_before_the_chain_of_the_peer_is_known_is_answered() {
    let (options, _) = with_observer(0);
    let node = Node::start(options).await;
    for _ in 0..4 {
        let mut raw = Raw::new(&secret(1), key(0), Role::Observer);
        raw.dial(node.network.listen_addr().port());
        raw.until("it is let in", |raw| raw.established.len() == 1).await;
        raw.ask(b"early");
        raw.until("it is answered", |raw| raw.answers.len() == 1).await;
        assert_eq!(raw.answers, [crate::requests::Answer::Bytes(b"early, 5 bytes".to_vec())]);
    }
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_go_to_observers_and_transactions_to_all() {
    let roles = [Role::Validator, Role::Validator, Role::Observer];
    let first = Node::start(with_roles(validator(0, 0, &[None; 3]), &roles)).await;
    let port = Some(first.network.listen_addr().port());
    let second = Node::start(with_roles(validator(1, 0, &[port, None, None]), &roles)).await;
    let observer = Node::start(with_roles(validator(2, 0, &[port, None, None]), &roles)).await;
    second.connects(key(0)).await;
    observer.connects(key(0)).await;
    first.connects(key(1)).await;
    first.connects(key(2)).await;
    let published = |node: &Node| node.owner.gossip.lock().unwrap().len();
    // Subscriptions take a moment.
    sleep(Duration::from_millis(1_000)).await;
    first.network.handle().publish(Topic::Heads, b"head".to_vec());
    first.network.handle().publish(Topic::Transactions, b"transaction".to_vec());
    until("the observer hears both", || published(&observer) == 2).await;
    until("the validator hears one", || published(&second) == 1).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(second.owner.gossip.lock().unwrap()[..], [(key(0), Topic::Transactions, b"transaction".to_vec())]);
    for node in [first, second, observer] {
        node.network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_runs_only_where_there_are_observers() {
    for (is_observed, role) in [(false, Role::Validator), (true, Role::Observer)] {
        let node = Node::start(with_roles(validator(0, 0, &[None; 2]), &[Role::Validator, role])).await;
        // It speaks gossip in any case.
        let mut raw = Raw::new(&secret(1), key(0), Role::Observer);
        raw.dial(node.network.listen_addr().port());
        if is_observed {
            raw.run_for(Duration::from_millis(500)).await;
            assert!(!raw.has_no_gossip);
        } else {
            raw.until("gossip is refused", |raw| raw.has_no_gossip).await;
        }
        assert_eq!(raw.established.len(), 1);
        node.network.stop().await;
    }
}
