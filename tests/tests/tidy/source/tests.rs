//! The lexer against the forms that could mislead it.

use super::{Function, Source, find_phrase, functions, line_of, words};

/// What is left of the code, with runs of spaces shortened, so that a sample reads well.
fn code_of(text: &str) -> String {
    Source::of(text).code.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn comments_of(text: &str) -> String {
    Source::of(text).comments.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn comments_and_code_part_ways() {
    assert_eq!(code_of("let a = 1; // b\nlet c;"), "let a = 1; let c;");
    assert_eq!(comments_of("let a = 1; // b\nlet c; /// d"), "// b /// d");
    assert_eq!(code_of("a /* b /* c */ d */ e"), "a e");
    assert_eq!(comments_of("a /* b /* c */ d */ e"), "/* b /* c */ d */");
    assert_eq!(code_of("a /* never closed"), "a");
}

#[test]
fn strings_hide_what_looks_like_code_or_comment() {
    assert_eq!(code_of(r#"f("a \" // b", c)"#), "f( , c)");
    assert_eq!(code_of(r###"f(r#"a " // b"#, c)"###), "f( , c)");
    assert_eq!(code_of(r##"f(br#"a"#, b"c", c"d", e)"##), "f( , b , c , e)");
    assert_eq!(code_of(r#"f(r"\", a)"#), "f( , a)");
    assert_eq!(code_of("f(\"never closed"), "f(");
    assert_eq!(code_of("f(r#\"never closed\""), "f(");
    assert_eq!(code_of("\"ends in a backslash\\"), "");
    assert_eq!(comments_of(r#"f("// a")"#), "");
}

#[test]
fn characters_and_lifetimes_are_told_apart() {
    assert_eq!(
        code_of(r#"match c { '"' => 1, '{' => 2, '\'' => 3, '\u{22}' => 4 }"#),
        "match c { => 1, => 2, => 3, => 4 }"
    );
    assert_eq!(code_of("fn f<'a, 'b>(x: &'a str) -> &'static u8 {}"), "fn f<'a, 'b>(x: &'a str) -> &'static u8 {}");
    assert_eq!(code_of("b'\"'; r#match"), "b ; r#match");
}

#[test]
fn every_line_stays_where_it_was() {
    let text = "a\n/* b\nc */ d\n\"e\nf\"\ng";
    let source = Source::of(text);
    assert_eq!(source.code.lines().count(), text.lines().count());
    assert_eq!(source.comments.lines().count(), text.lines().count());
    assert_eq!(line_of(&source.code, source.code.find('g').expect("g is code")), 6);
}

#[test]
fn test_modules_are_no_production_code() {
    let text =
        "fn a() {}\n#[cfg(test)]\n#[expect(dead_code)]\nmod tests {\n    fn b() { let c = '}'; }\n}\nfn d() {}\n";
    let source = Source::of(text);
    assert!(source.production_code().contains("fn a") && source.production_code().contains("fn d"));
    assert!(!source.production_code().contains("fn b"));
    assert_eq!(source.production_code().lines().count(), text.lines().count());
    assert_eq!(source.production_lines(), 2);
    assert_eq!(Source::of("#[cfg(test)]\npub(crate) mod tests;\nfn a() {}\n").production_lines(), 1);
    assert!(Source::of("#[cfg(test)]\nfn helper() {}\nmod real { fn a() {} }\n").production_code().contains("fn a"));
    assert!(Source::of("#[cfg(not(test))]\nmod real { fn a() {} }\n").production_code().contains("fn a"));
}

#[test]
fn functions_are_measured_from_fn_to_closing_brace() {
    let text = "trait A {\n    fn none(&self) -> [u8; 2];\n}\nfn one() {}\n\
                const fn three<const N: usize>(\n    a: [u8; 2]) {\n}\nlet f: fn(u8);";
    let named = |name: &str, line, lines| Function { name: name.to_owned(), line, lines };
    assert_eq!(functions(&Source::of(text).code), [named("one", 4, 1), named("three", 5, 3)]);
    assert_eq!(functions("fn outer() {\n    fn inner() {\n    }\n}"), [named("outer", 1, 4), named("inner", 2, 2)]);
}

#[test]
fn phrases_match_whole_words_only() {
    assert_eq!(words("fn a_1(b)").map(|(_, word)| word).collect::<Vec<_>>(), ["fn", "a_1", "b"]);
    assert_eq!(find_phrase("rand::x rand_core::y my_rand::z ::rand::w", "rand::").count(), 2);
    assert_eq!(find_phrase("HashMap BlockHashMap HashMaps", "HashMap").count(), 1);
    assert_eq!(find_phrase("println! eprintln!", "println!").count(), 1);
}
