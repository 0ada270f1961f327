//! Many peers: all of them connect, once each, and again after one of them went.

use std::net::TcpListener;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_validators_connect_and_carry_frames_in_order() {
    let (first, second) = pair().await;
    for class in Class::ALL {
        for n in 0..60_u32 {
            first.network.handle().send(&key(1), class, Arc::from(n.to_le_bytes())).expect("there is room");
        }
    }
    for class in Class::ALL {
        until("all frames arrive", || second.owner.count_of(key(0), class) == 60).await;
        let expected: Vec<Vec<u8>> = (0..60_u32).map(|n| n.to_le_bytes().to_vec()).collect();
        assert_eq!(second.owner.frames_of(key(0), class), expected, "the order of {}", class.name());
    }
    assert_eq!(second.status(key(0)).bytes_in, 960);
    until("all is counted", || first.status(key(1)).bytes_out == 960).await;
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_listens_on_one_family_dials_the_other() {
    let mut options = validator(0, 0, &[None, None]);
    options.listen = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0));
    let first = Node::start(options).await;
    let mut options = validator(1, 0, &[Some(first.network.listen_addr().port()), None]);
    options.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    options.peers[0].address.as_mut().expect("it has one").host = "::1".to_owned();
    let second = Node::start(options).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_validators_that_start_at_once_end_with_one_connection_each() {
    let ports: Vec<u16> = (0..7).map(|_| free_port()).collect();
    let known: Vec<Option<u16>> = ports.iter().copied().map(Some).collect();
    let start = Instant::now();
    let nodes =
        futures::future::join_all((0_u8..).zip(&ports).map(|(n, port)| Node::start(validator(n, *port, &known)))).await;
    let all_up = || {
        nodes.iter().all(|node| {
            node.network.handle().peers().iter().all(|peer| matches!(peer.state, PeerState::Connected { .. }))
        })
    };
    until("a full mesh", all_up).await;
    println!("full mesh of 7 after {:?}", start.elapsed());
    // Dials that were under way then may still make a second connection for a moment.
    sleep(Duration::from_secs(2)).await;
    until("one connection for each pair", || established(&ports) == 7 * 6 / 2 && all_up()).await;
    futures::future::join_all(nodes.into_iter().map(|node| node.network.stop())).await;
    for port in ports {
        drop(TcpListener::bind(local(port)).expect("the port is free again"));
    }
}

/// TCP connections of this machine that were accepted on one of these ports, as the kernel lists them.
fn established(ports: &[u16]) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let is_one = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = fields.get(1).and_then(|local| local.split_once(':')).map(|(_, port)| port);
        let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
        port.is_some_and(|port| ports.contains(&port)) && fields.get(3) == Some(&"01")
    };
    table.lines().filter(is_one).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_comes_back_is_connected_within_two_seconds() {
    let ports = [free_port(), free_port()];
    let known = ports.map(Some);
    let first = Node::start(validator(0, ports[0], &known)).await;
    let mut second = Node::start(validator(1, ports[1], &known)).await;
    first.connects(key(1)).await;
    for away in [100, 1_500, 3_000] {
        second.network.stop().await;
        until("the loss is noticed", || !first.is_connected(key(1))).await;
        sleep(Duration::from_millis(away)).await;
        second = Node::start(validator(1, ports[1], &known)).await;
        let took = time(async {
            second.connects(key(0)).await;
            first.connects(key(1)).await;
        })
        .await;
        println!("connected {took:?} after having been away for {away} ms");
        assert!(took < Duration::from_secs(2), "connected after {took:?}");
    }
    let changes = first.owner.changes_of(key(1));
    assert_eq!(changes, [true, false, true, false, true, false, true], "told in turn");
    first.network.stop().await;
    second.network.stop().await;
}
