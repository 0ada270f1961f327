//! The catalogue against itself and against the document that is written from it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use super::*;

/// What stands above the table in the document.
const HEAD: &str = "# Errors of the public window

<!-- Written from the table in rpc/src/api/code.rs. `ALTHING_BLESS=1 cargo test -p althing-rpc` writes it anew. -->

An error is a JSON-RPC error object. Programs look at `code` or `data.symbol`, which never change; `message` is for
people and may change. `retryable` says whether the same request may succeed later, or at another node, without any
change; where the node can say when, `data.retryAfterMs` holds the milliseconds. `data.info` holds the values that the
message speaks of, and `data.hint` what the caller can do.

```json
{\"code\":1107,\"message\":\"a balance does not suffice\",
 \"data\":{\"symbol\":\"TX_INSUFFICIENT_BALANCE\",\"retryable\":false,\"info\":{},\"hint\":\"account_get shows the balances\"}}
```

| code | symbol | meaning | retryable | what to do |
|---|---|---|---|---|
";

#[test]
fn numbers_and_symbols_are_unique_and_the_numbers_ascend_within_a_group() {
    let numbers: BTreeSet<i32> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
    let symbols: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.symbol()).collect();
    assert_eq!((numbers.len(), symbols.len()), (ErrorCode::ALL.len(), ErrorCode::ALL.len()));
    let ours: Vec<i32> = ErrorCode::ALL.iter().map(|code| code.number()).filter(|number| *number > 0).collect();
    assert!(ours.is_sorted());
    // -32000 to -32005 mean something else to other clients.
    assert!(ErrorCode::ALL.iter().all(|code| !(-32005..=-32000).contains(&code.number())));
}

#[test]
fn a_code_is_found_by_number_and_by_symbol() {
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
        assert_eq!(ErrorCode::from_symbol(code.symbol()), Some(*code));
    }
    assert_eq!(ErrorCode::from_number(0), None);
    assert_eq!(ErrorCode::from_symbol("TX_NONCE_TOO_LOW"), None);
}

#[test]
fn the_document_is_the_table() {
    let mut text = HEAD.to_owned();
    for code in ErrorCode::ALL {
        let (number, symbol, meaning, hint) = (code.number(), code.symbol(), code.meaning(), code.hint());
        let retryable = if code.is_retryable() { "yes" } else { "no" };
        writeln!(text, "| {number} | `{symbol}` | {meaning} | {retryable} | {hint} |").expect("into memory");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    if env::var_os("ALTHING_BLESS").is_some() {
        fs::write(&path, &text).expect("the document can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/errors.md is not the table; ALTHING_BLESS=1 writes it anew");
}
