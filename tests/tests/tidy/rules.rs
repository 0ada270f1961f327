//! The bridge between the specification and the code, checked from both banks. A rule is a heading `### <id> <title>`
//! in `docs/spec`; a line `Code:` under it names what carries the rule out; the file named there cites the id in a
//! comment; and no comment cites a rule that the specification does not have.
//!
//! A citation is an id within brackets, alone or in a list, or after the word `rule`. For the way from the
//! specification to the code it is enough that the id stands within brackets among other words, or before a colon.

use std::collections::{BTreeMap, BTreeSet};

use super::complaint::Complaint;
use super::repository::Repository;
use super::source::{Source, find_phrase, words};

const SPEC: &str = "docs/spec/";

/// A reason why no code carries a rule out has at least so many characters.
const REASON_CHARS_MIN: usize = 15;

/// A rule of the specification.
#[derive(Debug)]
struct Rule<'a> {
    id: &'a str,
    path: &'a str,
    line: usize,
    /// The first `Code:` under the heading, with its line.
    code: Option<(usize, String)>,
}

/// How a comment names a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// In a form that can only mean a rule.
    Cited,
    /// In a form that may mean a rule.
    Mentioned,
}

/// Complains wherever the specification and the code do not meet.
pub(crate) fn check(repository: &Repository) -> Vec<Complaint> {
    let documents: Vec<_> = repository.ending(".md").filter(|(path, _)| path.starts_with(SPEC)).collect();
    let rules: Vec<Rule<'_>> = documents.iter().flat_map(|(path, text)| rules_of(path, text)).collect();
    if rules.is_empty() {
        return vec![Complaint::new(SPEC, 1, "no rule is defined; write each as a heading `### <id> <title>`")];
    }
    let mut complaints: Vec<Complaint> =
        documents.iter().flat_map(|(path, text)| misplaced_headings(path, text)).collect();
    let mut first_lines = BTreeMap::new();
    for rule in &rules {
        if let Some(first) = first_lines.insert(rule.id, format!("{}:{}", rule.path, rule.line)) {
            let text = format!("rule {} is defined at {first} already; give this one another id", rule.id);
            complaints.push(Complaint::new(rule.path, rule.line, text));
        }
        complaints.extend(check_rule(rule, repository));
    }
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule.id).collect();
    for (path, text) in repository.ending(".rs") {
        complaints.extend(check_citations(path, text, &ids));
    }
    complaints
}

/// The lines of a document outside fenced blocks, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

/// The level, the first word and the rest of a heading.
fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    (level > 0 && title.starts_with(' ')).then(|| (level, title.split_whitespace().next().unwrap_or_default()))
}

fn rules_of<'a>(path: &'a str, text: &'a str) -> Vec<Rule<'a>> {
    let mut rules: Vec<Rule<'a>> = Vec::new();
    let mut in_rule = false;
    let mut goes_on = false;
    for (line, content) in prose(text) {
        if let Some((level, word)) = heading(content) {
            in_rule = level == 3 && is_id(word);
            if in_rule {
                rules.push(Rule { id: word, path, line, code: None });
            }
        }
        let Some(rule) = rules.last_mut().filter(|_| in_rule) else { continue };
        match (content.strip_prefix("Code:"), &mut rule.code) {
            (Some(items), None) => rule.code = Some((line, items.trim().to_owned())),
            (_, Some((_, items))) if goes_on => items.push_str(content.trim()),
            _ => continue,
        }
        goes_on = content.trim_end().ends_with(',');
    }
    rules
}

/// Complains about a heading that looks like a rule and stands at a level where it would be overlooked.
fn misplaced_headings(path: &str, text: &str) -> Vec<Complaint> {
    let headings = prose(text).filter_map(|(line, content)| heading(content).map(|(level, word)| (line, level, word)));
    let misplaced = headings.filter(|(_, level, word)| *level != 3 && is_id(word));
    let advice = "starts like a rule; use `###` for a rule, or begin the heading with another word";
    misplaced.map(|(line, _, word)| Complaint::new(path, line, format!("the heading `{word}` {advice}"))).collect()
}

/// Capital letters (one to three), digits, and at most one small letter.
fn is_id(word: &str) -> bool {
    let after_letters = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let after_digits = after_letters.trim_start_matches(|c: char| c.is_ascii_digit());
    let letters = word.len() - after_letters.len();
    let has_digits = after_digits.len() < after_letters.len();
    let suffix_fits = after_digits.len() <= 1 && after_digits.chars().all(|c| c.is_ascii_lowercase());
    (1..=3).contains(&letters) && has_digits && suffix_fits
}

fn check_rule(rule: &Rule<'_>, repository: &Repository) -> Vec<Complaint> {
    let id = rule.id;
    let Some((line, items)) = &rule.code else {
        let text = format!(
            "rule {id} names no code; add a line ``Code: `path/to/file.rs::name` `` or `Code: none — <reason>`"
        );
        return vec![Complaint::new(rule.path, rule.line, text)];
    };
    if let Some(reason) = items.strip_prefix("none") {
        let reason = reason.trim_start_matches([' ', '—']);
        let text =
            format!("rule {id} has no code for no good reason; say why in {REASON_CHARS_MIN} characters or more");
        let is_short = reason.chars().count() < REASON_CHARS_MIN || !items.starts_with("none — ");
        return if is_short { vec![Complaint::new(rule.path, *line, text)] } else { Vec::new() };
    }
    let faults = items.split(',').filter_map(|item| item_fault(item.trim(), id, repository));
    faults.map(|fault| Complaint::new(rule.path, *line, format!("rule {id}: {fault}"))).collect()
}

/// What is wrong with one item of a `Code:` line.
fn item_fault(item: &str, id: &str, repository: &Repository) -> Option<String> {
    let inner = item.strip_prefix('`').and_then(|item| item.strip_suffix('`'));
    let Some((path, names)) = inner.and_then(|inner| inner.split_once("::")).filter(|(path, _)| path.ends_with(".rs"))
    else {
        return Some(format!("cannot read '{item}'; write `path/to/file.rs::name` in backticks"));
    };
    let Some(text) = repository.text(path) else {
        return Some(format!("there is no file {path}; name the file that carries the rule out"));
    };
    let source = Source::of(text);
    if let Some(name) = names.split("::").find(|name| !defines(&source.code, name)) {
        return Some(format!("{path} defines no `{name}`; name a function, type, trait or constant of that file"));
    }
    let is_named = namings(&source.comments).into_iter().any(|(_, named, _)| named == id);
    (!is_named).then(|| format!("{path} does not cite it; add ({id}) to the comment where the rule is carried out"))
}

/// Whether this code defines an item of this name, or implements something for it.
fn defines(code: &str, name: &str) -> bool {
    let all: Vec<&str> = words(code).map(|(_, word)| word).collect();
    let is_item = all.windows(2).any(|pair| {
        pair[1] == name && matches!(pair[0], "fn" | "struct" | "enum" | "trait" | "const" | "static" | "type")
    });
    let mut headers = code.lines().filter(|line| line.trim_start().starts_with("impl"));
    !name.is_empty() && (is_item || headers.any(|header| find_phrase(header, name).next().is_some()))
}

/// Complains about citations of rules that the specification does not have.
fn check_citations(path: &str, text: &str, ids: &BTreeSet<&str>) -> Vec<Complaint> {
    let families: BTreeSet<&str> = ids.iter().map(|id| family(id)).collect();
    let comments = Source::of(text).comments;
    let cited = namings(&comments).into_iter().filter(|(_, _, naming)| *naming == Naming::Cited);
    let unknown = cited.filter(|(_, id, _)| families.contains(family(id)) && !ids.contains(id));
    let advice = "cite the rule that is meant, or define it in docs/spec";
    unknown.map(|(line, id, _)| Complaint::new(path, line, format!("there is no rule {id}; {advice}"))).collect()
}

/// The letters before the number of an id.
fn family(id: &str) -> &str {
    id.trim_end_matches(|c: char| !c.is_ascii_uppercase())
}

/// Every rule that comments name, with its line and how it is named.
fn namings(comments: &str) -> Vec<(usize, &str, Naming)> {
    let mut found = Vec::new();
    for (index, line) in comments.lines().enumerate() {
        let mut after_rule = false;
        let mut previous_end = 0;
        for (at, word) in words(line) {
            let between = line[previous_end..at].trim();
            let goes_on = between.is_empty() || between == ",";
            let joins = matches!(word, "and" | "or" | "to");
            after_rule = matches!(word, "rule" | "rules") || (after_rule && goes_on && (joins || is_id(word)));
            previous_end = at + word.len();
            let naming = if !is_id(word) { None } else { naming_of(line, at, previous_end, after_rule) };
            found.extend(naming.map(|naming| (index + 1, word, naming)));
        }
    }
    found
}

/// How the id from `start` to `end` of a line is named, if it is named as a rule at all.
fn naming_of(line: &str, start: usize, end: usize, after_rule: bool) -> Option<Naming> {
    let opening = line[..start].rfind('(').filter(|&at| !line[at..start].contains(')'));
    let bracket = opening.map(|at| &line[at + 1..end + line[end..].find(')').unwrap_or(line.len() - end)]);
    let is_list = bracket.is_some_and(|inner| {
        words(inner).all(|(_, word)| is_id(word) || matches!(word, "rule" | "rules" | "and" | "or" | "to"))
    });
    let is_label = line[end..].starts_with(':') && !line[end..].starts_with("::");
    match (after_rule || is_list, bracket.is_some() || is_label) {
        (true, _) => Some(Naming::Cited),
        (false, true) => Some(Naming::Mentioned),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
