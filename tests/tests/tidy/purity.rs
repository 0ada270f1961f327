//! The pure rooms decide what the chain is, so any two machines must run them to the same bytes: no clock, no
//! randomness, no order that differs between runs, no floating point and no I/O. Time arrives as an argument.
//!
//! Only production code is searched. Comments, strings and test modules may name what they like.

use super::complaint::Complaint;
use super::files::is_test_file;
use super::source::{Source, find_phrase, line_of};

/// The folders of source, and the single files, that must be pure. `storage` is not among them: disks are its trade.
const PURE: &[&str] = &[
    "types/src/",
    "genesis/src/",
    "consensus/src/",
    "contracts/src/",
    "mempool/src/",
    "ledger/src/",
    "replica/src/",
    "node/src/following/",
    "node/src/following.rs",
    "node/src/why/",
    "node/src/why.rs",
];

const CLOCK: &str = "take the time as an argument; only the shell reads a clock";
const RANDOM: &str = "take the bytes as an argument; only the shell draws random numbers";
const ORDER: &str = "its order differs between runs; use BTreeMap or BTreeSet";
const FLOAT: &str = "floating point is not the same on every machine; use integers and name the unit";
const IO: &str = "return an output or an error; only the shell does I/O";
const THREAD: &str = "keep to one thread; the shell hands work to others";

/// What production code of a pure room must not name, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("Instant", CLOCK),
    ("SystemTime", CLOCK),
    ("std::time", CLOCK),
    ("UNIX_EPOCH", CLOCK),
    ("::now(", CLOCK),
    ("rand::", RANDOM),
    ("thread_rng", RANDOM),
    ("getrandom", RANDOM),
    ("OsRng", RANDOM),
    ("HashMap", ORDER),
    ("HashSet", ORDER),
    ("RandomState", ORDER),
    ("DefaultHasher", ORDER),
    ("f32", FLOAT),
    ("f64", FLOAT),
    ("std::fs", IO),
    ("std::net", IO),
    ("std::env", IO),
    ("std::process", IO),
    ("tokio", IO),
    ("print!", IO),
    ("println!", IO),
    ("eprint!", IO),
    ("eprintln!", IO),
    ("std::thread", THREAD),
];

/// `types` implements the trait of this crate to feed a batch verifier; no other pure room has a use for it.
const GENERATOR_TRAIT: (&str, &str) = ("rand_core", "types/src/");

/// The hashing of a block may be shared by threads that end before the function that began them returns. How many there
/// are changes nothing but time, which a test of the tree shows.
const SCOPED_THREADS: (&str, &str) = ("std::thread::scope", "ledger/src/tree/");

fn is_scoped_thread(path: &str, code: &str, at: usize) -> bool {
    let (scope, its_place) = SCOPED_THREADS;
    path.starts_with(its_place) && code[at..].starts_with(scope)
}

/// Whether the production code of this file must be pure.
pub(crate) fn is_pure(path: &str) -> bool {
    PURE.iter().any(|prefix| path.starts_with(prefix)) && !is_test_file(path)
}

/// Complains about whatever makes a file of a pure room depend on more than its inputs.
pub(crate) fn check(path: &str, text: &str) -> Vec<Complaint> {
    if !is_pure(path) {
        return Vec::new();
    }
    let code = Source::of(text).production_code();
    let mut found: Vec<(usize, String)> = Vec::new();
    for (name, instead) in BANNED {
        let uses = find_phrase(&code, name).filter(|at| !is_scoped_thread(path, &code, *at));
        found.extend(uses.map(|at| (line_of(&code, at), format!("`{name}`: {instead}"))));
    }
    let (generator_trait, its_room) = GENERATOR_TRAIT;
    if !path.starts_with(its_room) {
        let uses = find_phrase(&code, generator_trait);
        found.extend(uses.map(|at| (line_of(&code, at), format!("`{generator_trait}`: {RANDOM}"))));
    }
    for (line, name) in grouped_imports(&code) {
        let ban = BANNED.iter().find(|(banned, _)| *banned == format!("std::{name}"));
        found.extend(ban.map(|(banned, instead)| (line, format!("`{banned}`: {instead}"))));
    }
    found.extend(float_literals(&code).into_iter().map(|(line, literal)| (line, format!("`{literal}`: {FLOAT}"))));
    found.sort();
    found.dedup();
    found.into_iter().map(|(line, what)| Complaint::new(path, line, format!("a pure room names {what}"))).collect()
}

/// The first names in groups such as `std::{fs, time::Duration}`, each with its line.
fn grouped_imports(code: &str) -> Vec<(usize, &str)> {
    const GROUP: &str = "std::{";
    let mut names = Vec::new();
    for group in find_phrase(code, GROUP) {
        let mut depth = 1_usize;
        let mut expecting = true;
        for (distance, character) in code[group + GROUP.len()..].char_indices() {
            let at = group + GROUP.len() + distance;
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expecting = true,
                c if expecting && !c.is_whitespace() => {
                    let length = code[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(0);
                    names.push((line_of(code, at), &code[at..at + length]));
                    expecting = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

/// Literals such as `1.5`, `2.`, `1e9` and `3f64`, each with its line. Ranges, tuple fields and methods of integers are
/// not floats.
fn float_literals(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(distance) = code[rest..].find(|c: char| c.is_alphanumeric() || c == '_') {
        let start = rest + distance;
        let before = &code[..start];
        let is_field = before.ends_with('.') && !before.ends_with("..");
        let end = start + number_length(&code[start..], is_field);
        let literal = &code[start..end];
        if literal.starts_with(|c: char| c.is_ascii_digit()) && is_float(literal) {
            found.push((line_of(code, start), literal));
        }
        rest = end;
    }
    found
}

/// The length of the word or number at the start of this text, with its fraction if it has one.
fn number_length(text: &str, is_field: bool) -> usize {
    let word_length = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let whole = word_length(text);
    let is_number = text.starts_with(|c: char| c.is_ascii_digit()) && !is_field;
    let Some(fraction) = text[whole..].strip_prefix('.').filter(|_| is_number) else { return whole };
    match fraction.chars().next() {
        Some(c) if c == '.' || c == '_' || c.is_alphabetic() => whole,
        _ => whole + 1 + word_length(fraction),
    }
}

fn is_float(literal: &str) -> bool {
    let is_radix = ["0x", "0o", "0b"].iter().any(|prefix| literal.starts_with(prefix));
    let has_suffix = literal.ends_with("f32") || literal.ends_with("f64");
    let has_exponent = literal.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        mantissa.chars().all(|c| c.is_ascii_digit() || c == '_') && !exponent.starts_with(|c: char| c.is_alphabetic())
    });
    !is_radix && (literal.contains('.') || has_suffix || has_exponent)
}

#[cfg(test)]
mod tests {
    use super::super::complaint::assert_complaints;
    use super::{BANNED, check, float_literals};

    #[test]
    fn every_banned_name_is_found_in_every_kind_of_pure_room() {
        for room in ["types/src/a.rs", "ledger/src/b/c.rs", "replica/src/lib.rs", "replica/src/route/a.rs"] {
            for (name, instead) in BANNED {
                let text = format!("fn f() {{\n    let x = {name} y;\n}}");
                let place = format!("{room}:2");
                assert_complaints(&check(room, &text), &[(&place, instead)]);
            }
        }
    }

    #[test]
    fn grouped_imports_hide_nothing() {
        let text =
            "use std::{\n    collections::{BTreeMap, HashMap}, fmt,\n    fs,\n};\nuse std::{env, time::Duration};";
        let expected = [
            ("types/src/a.rs:2", "`HashMap`"),
            ("types/src/a.rs:3", "`std::fs`"),
            ("types/src/a.rs:5", "`std::env`"),
            ("types/src/a.rs:5", "`std::time`"),
        ];
        assert_complaints(&check("types/src/a.rs", text), &expected);
    }

    #[test]
    fn only_types_may_name_the_generator_trait() {
        assert_complaints(&check("types/src/a.rs", "use rand_core::Rng;"), &[]);
        assert_complaints(&check("genesis/src/a.rs", "use rand_core::Rng;"), &[("genesis/src/a.rs:1", "`rand_core`")]);
    }

    #[test]
    fn only_the_tree_may_begin_threads_and_only_scoped_ones() {
        let scoped = "std::thread::scope(|scope| work(scope));";
        assert_complaints(&check("ledger/src/tree/a.rs", scoped), &[]);
        assert_complaints(&check("ledger/src/a.rs", scoped), &[("ledger/src/a.rs:1", "`std::thread`")]);
        let free = "std::thread::spawn(work);";
        assert_complaints(&check("ledger/src/tree/a.rs", free), &[("ledger/src/tree/a.rs:1", "`std::thread`")]);
    }

    #[test]
    fn floats_are_told_from_ranges_fields_and_methods() {
        let text = "a(1.5, 2., 1e9, 2_5E-3, 3f64, 4_f32, 0..1.5);";
        let found: Vec<&str> = float_literals(text).into_iter().map(|(_, literal)| literal).collect();
        assert_eq!(found, ["1.5", "2.", "1e9", "2_5E", "3f64", "4_f32", "1.5"]);
        let text = "a(0..5, x.0.1, 1.max(2), 0x1e5, 0b1, 7_u64, 1usize, x.0, e1, [0; 4], 1..=2, t.1.0, 0xf64);";
        assert_eq!(float_literals(text), []);
    }

    #[test]
    fn comments_strings_tests_and_other_rooms_may_name_anything() {
        let text = "//! Not Instant.\nconst A: &str = \"HashMap 1.5\"; // f64\n\
                    #[cfg(test)]\nmod tests {\n    use rand::x;\n}\n";
        assert_complaints(&check("types/src/a.rs", text), &[]);
        assert_complaints(&check("storage/src/a.rs", "use std::fs;"), &[]);
        assert_complaints(&check("node/src/shell/a.rs", "use std::time::Instant;"), &[]);
        assert_complaints(&check("types/src/a/tests.rs", "use std::fs;"), &[]);
        assert_complaints(&check("types/src/a.rs", "fn block_hash_map(instant: BlockHashMap) {}"), &[]);
    }
}
