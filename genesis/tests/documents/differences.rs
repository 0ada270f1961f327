//! Differences and warnings: what an operator is told about documents that are valid.

use althing_genesis::{Document, Genesis, Warning, diff};

use crate::sample;

fn unsigned() -> Document {
    let mut document = sample::genesis().document().clone();
    document.signatures.clear();
    document
}

fn changed(change: impl FnOnce(&mut Document)) -> Genesis {
    let mut document = unsigned();
    change(&mut document);
    Genesis::new(document).expect("still valid")
}

#[test]
fn differences_are_named_by_what_they_concern() {
    let base = changed(|_| {});
    let other = changed(|d| {
        d.validators.reverse();
        d.validators[0].p2p_addr = "/dns/new.example/tcp/1".to_owned();
        d.consensus.k = 64;
        d.accounts[1].balances.0[0].1 = "26".to_owned();
        d.observers.clear();
    });
    let found = diff(&base, &other);
    let paths: Vec<(&str, bool)> = found.iter().map(|item| (item.path.as_str(), item.is_hashed)).collect();
    assert_eq!(paths.len(), 4, "{paths:?}");
    assert!(paths[0].0.starts_with("accounts[acme1") && paths[0].0.ends_with("].balances.USD") && paths[0].1);
    assert_eq!(paths[1], ("consensus.k", true));
    assert_eq!(paths[2], ("observers[archive].nodeKey", true));
    assert_eq!(paths[3], ("validators[org-3].p2pAddr", false));
    assert_eq!((found[1].left.as_deref(), found[1].right.as_deref()), (Some("32"), Some("64")));
    assert_eq!(found[2].right, None);
}

#[test]
fn hashed_differences_exist_exactly_where_hashes_differ() {
    type Change = fn(&mut Document);
    let changes: Vec<Change> = vec![
        |_| {},
        |d| d.accounts.reverse(),
        |d| d.validators[2].p2p_addr = "/ip4/10.0.0.1/tcp/5".to_owned(),
        |d| d.dev = true,
        |d| d.genesis_time = "2027-01-01T00:00:00Z".to_owned(),
        |d| d.tx.max_window_ms = 1_000,
        |d| d.limits.block_gas_max = "1000000000".to_owned(),
        |d| d.assets[1].decimals = 9,
        |d| d.accounts[1].balances.0.clear(),
        |d| drop(d.accounts.remove(1)),
        |d| d.validators.push(sample::validator(4)),
        |d| d.recovery.iter_mut().for_each(|recovery| drop(recovery.keys.pop())),
        |d| d.recovery = None,
    ];
    let all: Vec<Genesis> = changes.into_iter().map(changed).collect();
    for a in &all {
        for b in &all {
            let hashed = diff(a, b).iter().any(|difference| difference.is_hashed);
            assert_eq!(hashed, a.hash() != b.hash());
        }
    }
    let approved = sample::genesis();
    let found = diff(&all[0], &approved);
    assert!(found.len() == 2 && found.iter().all(|difference| !difference.is_hashed), "{found:?}");
}

#[test]
fn warnings_say_what_may_be_a_mistake() {
    let mut genesis = changed(|_| {});
    for index in 0..4 {
        let missing: Vec<String> = (index..4).map(|index| format!("org-{index}")).collect();
        let [Warning::Unsigned { missing: named }] = &genesis.warnings()[..] else {
            unreachable!("one warning: {:?}", genesis.warnings());
        };
        assert_eq!(*named, missing);
        genesis = genesis.with_signature(sample::approval(&genesis, index)).expect("good");
    }
    assert_eq!(genesis.warnings(), []);

    assert_eq!(changed(|d| d.dev = true).warnings(), [Warning::Dev]);
    let small = changed(|d| {
        d.validators.truncate(2);
        d.consensus.f = 0;
        d.recovery = None;
        d.accounts.clear();
        d.validators[0].p2p_addr = "/ip4/127.0.0.1/tcp/1".to_owned();
        d.validators[1].p2p_addr = "/ip4/127.0.0.1/tcp/2".to_owned();
    });
    let warnings = small.warnings();
    assert!(warnings.contains(&Warning::NoFaultTolerance { n: 2 }), "{warnings:?}");
    assert!(warnings.contains(&Warning::NoRecovery) && warnings.contains(&Warning::NoBalances), "{warnings:?}");
    assert!(warnings.contains(&Warning::Loopback { name: "org-0".to_owned() }), "{warnings:?}");
    assert!(warnings.iter().any(|warning| matches!(warning, Warning::SharedHost { names, .. } if names.len() == 2)));
    let sole = changed(|d| d.recovery.iter_mut().for_each(|recovery| recovery.need = 1));
    assert!(sole.warnings().contains(&Warning::SoleRecovery) && !warnings.contains(&Warning::SoleRecovery));
    assert!(sole.warnings().iter().any(|warning| warning.to_string().contains("recovery.need is 1")));
    let seven = changed(|d| d.validators.extend((4..7).map(sample::validator)));
    assert!(seven.warnings().contains(&Warning::FewerFaults { f: 1, max: 2 }));
    assert!(warnings.iter().all(|warning| !warning.to_string().is_empty()));
}
