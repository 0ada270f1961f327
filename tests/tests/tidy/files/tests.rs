//! Each file rule is shown a file that breaks it, and one that does not.

use super::super::complaint::assert_complaints;
use super::{
    FILE_LINES_MAX, FUNCTION_LINES_MAX, check_finished, check_head, check_name, check_ratchet_of, check_sizes,
    check_sizes_but, check_test_modules, is_test_file, unfinished_words,
};

const FILE: &str = "types/src/a.rs";

#[test]
fn a_file_says_at_its_head_what_it_is() {
    assert_complaints(&check_head(FILE, "use std::fmt;"), &[("types/src/a.rs:1", "no module doc")]);
    assert_complaints(
        &check_head(FILE, "\n//! A head on the second line is late."),
        &[("types/src/a.rs:1", "no module doc")],
    );
    assert_complaints(&check_head(FILE, "//! Types. And more words than twenty."), &[("types/src/a.rs:1", "'Types'")]);
    assert_complaints(
        &check_head(FILE, "//!\n//! Short.\n//!\n//! Long enough, but too late."),
        &[("types/src/a.rs:1", "Short")],
    );
    assert_complaints(&check_head(FILE, "//! Heights and views\n//! as numbers of their own.\n"), &[]);
}

#[test]
fn a_name_says_what_is_inside() {
    assert_complaints(&check_name("types/src/a/mod.rs"), &[("types/src/a/mod.rs:1", "beside the folder")]);
    assert_complaints(&check_name("types/src/utils.rs"), &[("types/src/utils.rs:1", "'utils'")]);
    assert_complaints(&check_name("node/src/helpers/a.rs"), &[("node/src/helpers/a.rs:1", "'helpers'")]);
    for name in ["common", "misc", "manager", "util", "helper"] {
        assert_eq!(check_name(&format!("types/src/{name}.rs")).len(), 1, "{name}");
    }
    assert_complaints(&check_name("types/src/height.rs"), &[]);
}

#[test]
fn unfinished_work_is_not_merged() {
    let text = "// FIXME: a\n// XXX\nfn f() { todo!() }\nfn g() { unimplemented!(\"b\") }\n\
                #[ignore]\n#[should_panic(expected = \"c\")]\n";
    let expected = [
        ("types/src/a.rs:1", "FIXME"),
        ("types/src/a.rs:2", "XXX"),
        ("types/src/a.rs:3", "todo!("),
        ("types/src/a.rs:4", "unimplemented!("),
        ("types/src/a.rs:5", "#[ignore"),
        ("types/src/a.rs:6", "#[should_panic"),
    ];
    assert_complaints(&check_finished(FILE, text), &expected);
    assert_complaints(
        &check_finished(FILE, "const A: &str = \"FIXME todo!(\"; // Prefixed XXXL words are whole.\n"),
        &[],
    );
}

#[test]
fn work_for_later_has_an_issue() {
    for open in ["// TODO: later", "// TODO(name)", "// TODO(#)", "// TODO(#12b)", "// TODO(#1"] {
        assert_complaints(&check_finished(FILE, open), &[("types/src/a.rs:1", "TODO(#<number>)")]);
    }
    assert_complaints(&check_finished(FILE, "// TODO(#12): later"), &[]);
    assert_complaints(&unfinished_words("Makefile", "a:\n\ttrue # TODO\n"), &[("Makefile:2", "without an issue")]);
}

#[test]
fn test_modules_stay_out_of_the_product() {
    let expected = [("types/src/a.rs:1", "outside `#[cfg(test)]`")];
    assert_complaints(&check_test_modules(FILE, "mod tests;\n"), &expected);
    assert_complaints(&check_test_modules(FILE, "#[cfg(test)]\nmod tests;\n"), &[]);
    assert!(is_test_file("types/src/a/tests.rs") && is_test_file("tests/tests/main.rs"));
    assert!(!is_test_file("node/src/testnet.rs"));
}

#[test]
fn long_files_are_split() {
    let lines = |count: usize| "// one line\n".repeat(count);
    assert_complaints(&check_sizes(FILE, &lines(FILE_LINES_MAX)), &[]);
    assert_complaints(&check_sizes(FILE, &lines(FILE_LINES_MAX + 1)), &[("types/src/a.rs:1", "801 lines")]);
    let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(FILE_LINES_MAX), lines(100));
    assert_complaints(&check_sizes(FILE, &with_tests), &[]);
}

#[test]
fn long_functions_are_split_or_listed() {
    let function = |lines: usize| format!("\nfn long() {{\n{}}}\n", "    a();\n".repeat(lines - 2));
    let too_long = function(FUNCTION_LINES_MAX + 1);
    assert_complaints(&check_sizes(FILE, &function(FUNCTION_LINES_MAX)), &[]);
    assert_complaints(&check_sizes(FILE, &too_long), &[("types/src/a.rs:2", "`long` has 71 lines")]);
    assert_complaints(&check_sizes("types/src/a/tests.rs", &too_long), &[]);
    assert_complaints(&check_sizes_but(&[(FILE, "long", "one table")], FILE, &too_long), &[]);
    assert_eq!(check_sizes_but(&[("types/src/b.rs", "long", "another file")], FILE, &too_long).len(), 1);
}

#[test]
fn the_list_of_long_functions_only_shrinks() {
    let listed = [(FILE, "long", "one table")];
    let body = "    a();\n".repeat(FUNCTION_LINES_MAX);
    let long = format!("fn long() {{\n{body}}}\n");
    assert_complaints(&check_ratchet_of(&listed, |_| Some(long.as_str())), &[]);
    let unneeded = [("types/src/a.rs:1", "needs no exception any more")];
    assert_complaints(&check_ratchet_of(&listed, |_| Some("fn long() {}")), &unneeded);
    assert_complaints(&check_ratchet_of(&listed, |_| None), &unneeded);
}
