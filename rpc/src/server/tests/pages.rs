//! Lists in pages, and the pages of the port that are no JSON-RPC.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::Served;
use super::http::{exchange, get, request};
use crate::api::ErrorCode;

/// The heights of a whole list, page by page, and how many pages it took.
fn walk(served: &Served, method: &str, mut params: Value) -> (Vec<u64>, usize) {
    let (mut heights, mut pages) = (Vec::new(), 0);
    loop {
        let page = served.ok(method, params.clone());
        pages += 1;
        let items = page["items"].as_array().expect("a list");
        heights.extend(items.iter().filter_map(|item| item["height"].as_str()?.parse::<u64>().ok()));
        match &page["nextCursor"] {
            Value::Null => return (heights, pages),
            cursor => params["cursor"] = cursor.clone(),
        }
    }
}

#[test]
fn lists_are_walked_in_both_directions_without_gap_or_repetition() {
    let served = Served::new();
    let address = althing_types::Hash::ZERO.to_string();
    let down: Vec<u64> = (0..=10).rev().collect();
    let blocks = walk(&served, "chain_listBlocks", json!({ "limit": 4 }));
    assert_eq!(blocks, (down.clone(), 3));
    let up: Vec<u64> = (0..=10).collect();
    assert_eq!(walk(&served, "chain_listBlocks", json!({ "limit": 11, "order": "asc" })), (up.clone(), 1));
    assert_eq!(walk(&served, "chain_listBlocks", json!({ "limit": 1, "order": "asc" })).0, up);
    let history = walk(&served, "account_getHistory", json!({ "address": address, "limit": 5 }));
    assert_eq!(history, (down[..10].to_vec(), 2));
    assert_eq!(walk(&served, "account_getHistory", json!({ "address": address, "order": "asc" })).0, up[1..]);
}

#[test]
fn evidence_is_listed_page_by_page_and_by_validator() {
    let served = Served::new();
    let all: Vec<u64> = (1..=10).collect();
    assert_eq!(walk(&served, "evidence_list", json!({ "limit": 4 })), (all, 3));
    let against_one: Vec<u64> = vec![1, 3, 5, 7, 9];
    assert_eq!(walk(&served, "evidence_list", json!({ "limit": 2, "validator": 1 })), (against_one, 3));
    let first = served.ok("evidence_list", json!({ "limit": 1 }));
    assert_eq!(first["pending"][0]["view"], "99");
    assert_eq!((&first["pending"][0]["culprit"], &first["pending"][0]["height"]), (&json!(1), &Value::Null));
    let item = &first["items"][0];
    assert_eq!((&item["kind"], &item["height"], &item["index"]), (&json!("two nullify votes"), &json!("1"), &json!(0)));
    assert_eq!(item["statements"].as_array().map(Vec::len), Some(2));
    let next = served.ok("evidence_list", json!({ "limit": 1, "cursor": first["nextCursor"] }));
    assert_eq!((&next["pending"], &next["items"][0]["name"]), (&json!([]), &served_name(&served)));
    assert_eq!(served.ok("evidence_list", json!({ "validator": 0 }))["pending"], json!([]));
    served.err("evidence_list", json!({ "limit": 501 }), ErrorCode::InvalidParams);
    served.err("evidence_list", json!({ "cursor": "00" }), ErrorCode::CursorInvalid);
    served.err("evidence_list", json!({ "validator": -1 }), ErrorCode::InvalidParams);
}

/// The name of validator 0.
fn served_name(served: &Served) -> Value {
    served.ok("validators_list", json!({}))["validators"][0]["name"].clone()
}

#[test]
fn limits_and_cursors_are_checked() {
    let served = Served::new();
    for limit in [0, 501] {
        served.err("chain_listBlocks", json!({ "limit": limit }), ErrorCode::InvalidParams);
    }
    served.err("chain_listBlocks", json!({ "cursor": "00" }), ErrorCode::CursorInvalid);
    served.err("chain_getBlock", json!({ "cursor": "00", "detail": "full" }), ErrorCode::CursorInvalid);
    served.err("chain_getBlock", json!({ "limit": 3 }), ErrorCode::InvalidParams);
    let block = served.ok("chain_getBlock", json!({ "height": "3", "detail": "full" }));
    assert_eq!(block["transactions"]["items"][0]["receipt"]["status"], "ok");
    assert_eq!(block["transactions"]["nextCursor"], Value::Null);
}

#[test]
fn the_ids_of_a_block_come_with_those_that_failed() {
    let served = Served::new();
    let good = served.ok("chain_getBlock", json!({ "height": "2", "detail": "hashes" }));
    assert_eq!((good["txIds"].as_array().map(Vec::len), &good["failed"]), (Some(1), &json!([])));
    let bad = served.ok("chain_getBlock", json!({ "height": "3", "detail": "hashes" }));
    assert_eq!(bad["failed"], json!([{ "index": 0, "status": "insufficient" }]));
    assert_eq!(served.ok("chain_getBlock", json!({ "height": "3" }))["failed"], Value::Null);
}

#[test]
fn health_and_metrics_have_pages() {
    let served = Served::new();
    assert_eq!(get(served.address, "/livez"), (200, "ok\n".to_owned()));
    assert_eq!(get(served.address, "/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(get(served.address, "/metrics"), (200, "althing_made_up 1\n".to_owned()));
    served.backend.is_ready.store(false, Ordering::Relaxed);
    assert_eq!(get(served.address, "/livez").0, 200);
    assert_eq!(get(served.address, "/readyz"), (503, "progress: work waits for 9 s\n".to_owned()));
    let (status, body) = get(served.address, "/readyz?verbose");
    let health: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &health["checks"]["progress"]["ok"]), (503, &json!(false)));
}

#[test]
fn whatever_is_asked_wrongly_is_told_how_to_ask() {
    let served = Served::new();
    let (status, body) = get(served.address, "/rpc");
    assert_eq!(status, 405);
    assert!(body.contains("POST") && body.contains("curl"), "{body}");
    assert_eq!(get(served.address, "/nothing").0, 404);
    assert!(get(served.address, "/").1.contains("/readyz"));
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let (status, body) =
        exchange(served.address, &request(served.address, "POST", "/rpc", form, "{}")).expect("an answer");
    assert_eq!(status, 415);
    assert!(body.contains("application/json"), "{body}");
    assert_eq!(
        exchange(served.address, &request(served.address, "OPTIONS", "/rpc", "", "")).expect("an answer").0,
        405
    );
}

#[test]
fn a_foreign_name_is_turned_away_but_a_supervisor_is_not() {
    let served = Served::new();
    let asked = |path: &str, host: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        exchange(served.address, &text).expect("an answer")
    };
    for path in ["/rpc", "/", "/metrics"] {
        let (status, body) = asked(path, "evil.example");
        assert_eq!(status, 403, "{path}");
        assert!(body.contains("evil.example"), "{body}");
    }
    assert_eq!(asked("/", "node.example:80").0, 200);
    assert_eq!(asked("/", "localhost").0, 200);
    assert_eq!(asked("/livez", "anything").0, 200);
}
