//! Specifications and code that miss each other, in every way that the check knows.

use super::super::complaint::assert_complaints;
use super::{Naming, Repository, check, is_id, namings};

const CODE: &str = "/// Votes once (R4).\nfn vote() {}\npub(crate) struct Lock;\n";

fn check_spec(spec: &str, code: &str) -> Vec<super::Complaint> {
    check(&Repository::of(&[("docs/spec/a.md", spec), ("consensus/src/a.rs", code)]))
}

#[test]
fn a_rule_and_its_code_meet() {
    for items in [
        "`consensus/src/a.rs::vote`",
        "`consensus/src/a.rs::vote`, `consensus/src/a.rs::Lock`",
        "none — a duty of the operator",
    ] {
        assert_complaints(&check_spec(&format!("# Title\n\n### R4 One vote\n\nText.\nCode: {items}\n"), CODE), &[]);
    }
    let wrapped = "### R4 One vote\nCode: `consensus/src/a.rs::vote`,\n`consensus/src/a.rs::Lock`\n";
    assert_complaints(&check_spec(wrapped, CODE), &[]);
    let method = "### R4 One vote\nCode: `consensus/src/a.rs::Lock::vote`\n";
    assert_complaints(&check_spec(method, CODE), &[]);
}

#[test]
fn a_specification_without_rules_is_no_pass() {
    assert_complaints(&check(&Repository::of(&[])), &[("docs/spec/:1", "no rule is defined")]);
    let expected = [("docs/spec/:1", "no rule is defined")];
    assert_complaints(&check_spec("# Title\n```\n### R4 fenced\n```\n### Rules\n", CODE), &expected);
}

#[test]
fn a_rule_names_its_code() {
    let expected = [("docs/spec/a.md:1", "rule R4 names no code")];
    assert_complaints(&check_spec("### R4 One vote\nText.\n", CODE), &expected);
    assert_complaints(
        &check_spec("### R4 One vote\nText.\n## Next\nCode: `consensus/src/a.rs::vote`\n", CODE),
        &expected,
    );
    let first_only = "### R4 One vote\n### R5 Another\nCode: none — nothing to carry out here\n";
    assert_complaints(&check_spec(first_only, CODE), &expected);
}

#[test]
fn a_rule_without_code_says_why() {
    for items in ["none", "none — later", "none - a duty of the operator"] {
        let spec = format!("### R4 One vote\nCode: {items}\n");
        assert_complaints(&check_spec(&spec, CODE), &[("docs/spec/a.md:2", "for no good reason")]);
    }
}

#[test]
fn what_a_rule_names_exists_and_cites_it() {
    let faults = [
        ("consensus/src/a.rs::vote", "cannot read"),
        ("`consensus/src/a.rs`", "cannot read"),
        ("`consensus/src/b.rs::vote`", "there is no file consensus/src/b.rs"),
        ("`consensus/src/a.rs::veto`", "defines no `veto`"),
        ("`consensus/src/a.rs::`", "defines no ``"),
        ("`consensus/src/a.rs::vote`,", "cannot read ''"),
    ];
    for (items, words) in faults {
        let spec = format!("### R4 One vote\nCode: {items}\n\nText.\n");
        assert_complaints(&check_spec(&spec, CODE), &[("docs/spec/a.md:2", words)]);
    }
    let spec = "### R4 One vote\nCode: `consensus/src/a.rs::vote`\n";
    for silent in ["fn vote() {}\n", "/// R4 without brackets.\nfn vote() {}\n", "fn vote() { f(\"(R4)\") }\n"] {
        assert_complaints(&check_spec(spec, silent), &[("docs/spec/a.md:2", "does not cite it")]);
    }
}

#[test]
fn code_cites_only_rules_that_exist() {
    let spec = "### R4 One vote\nCode: `consensus/src/a.rs::vote`\n";
    for stray in ["(R5)", "(rule R5)", "(R4, R5)", "as rule R5 says", "rules R4 and R5", "(R4b)", "(R4 and R5"] {
        let code = format!("{CODE}// Not so {stray}.\n");
        assert_complaints(&check_spec(spec, &code), &[("consensus/src/a.rs:4", "there is no rule R")]);
    }
    for innocent in ["(U64)", "R5", "R5::new", "(the point R5 of the curve)"] {
        assert_complaints(&check_spec(spec, &format!("{CODE}// It is {innocent}.\n")), &[]);
    }
    assert_complaints(&check_spec(spec, &format!("{CODE}const A: &str = \"// (R5)\";\n")), &[]);
}

#[test]
fn ids_are_unique_and_stand_at_one_level() {
    let twice =
        "### R4 One\nCode: none — nothing to carry out here\n### R4 Two\nCode: none — nothing to carry out here\n";
    assert_complaints(&check_spec(twice, CODE), &[("docs/spec/a.md:3", "defined at docs/spec/a.md:1 already")]);
    let deep = "### R4 One\nCode: none — nothing to carry out here\n#### R5 Two\n";
    assert_complaints(&check_spec(deep, CODE), &[("docs/spec/a.md:3", "`R5` starts like a rule")]);
}

#[test]
fn ids_have_letters_a_number_and_at_most_one_suffix() {
    assert!(["R4", "X2", "T10", "ABC1", "R4b"].into_iter().all(is_id));
    assert!(!["R", "4", "r4", "ABCD1", "R4bc", "R4B", "R-4", ""].into_iter().any(is_id));
}

#[test]
fn a_comment_names_rules_in_known_forms() {
    let named = |text| namings(text).into_iter().map(|(_, id, naming)| (id, naming)).collect::<Vec<_>>();
    assert_eq!(named("// (R4, X2)"), [("R4", Naming::Cited), ("X2", Naming::Cited)]);
    assert_eq!(
        named("// By rules R4, X2 and T1, not U8."),
        [("R4", Naming::Cited), ("X2", Naming::Cited), ("T1", Naming::Cited)]
    );
    assert_eq!(named("// R4: once."), [("R4", Naming::Mentioned)]);
    assert_eq!(named("// (see R4)"), [("R4", Naming::Mentioned)]);
    assert_eq!(named("// (a) R4 (b)"), []);
}
