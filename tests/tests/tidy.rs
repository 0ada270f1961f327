//! The house rules as ordinary tests: what `STYLE.md` marks as held by this test, held against the repository itself.
//! Each check is a pure function over paths and texts, and has tests of its own that show it a broken sample and see it
//! complain. A complaint reads `file:line: what is wrong; what to do instead`.

mod complaint;
mod documents;
mod files;
mod manifest;
mod plan;
mod purity;
mod repository;
mod rules;
mod source;

use complaint::{Complaint, report};
use repository::Repository;

/// The endings of files, other than Rust, where words for unfinished work are looked for. Documents may explain them.
const SCRIPTS: &[&str] = &[".toml", ".sh", ".js", ".css", ".html", ".yml", ".yaml", "Makefile", "/run"];

/// Runs one check over every Rust file.
fn each_source(repository: &Repository, check: impl Fn(&str, &str) -> Vec<Complaint>) -> Vec<Complaint> {
    repository.ending(".rs").flat_map(|(path, text)| check(path, text)).collect()
}

#[test]
fn doors_open_downward_only_and_versions_stand_in_the_root() {
    report(&plan::check(&Repository::open()));
}

#[test]
fn pure_rooms_depend_on_their_inputs_only() {
    report(&each_source(&Repository::open(), purity::check));
}

#[test]
fn every_source_file_says_at_its_head_what_it_is() {
    report(&each_source(&Repository::open(), files::check_head));
}

#[test]
fn every_source_file_has_a_telling_name() {
    report(&each_source(&Repository::open(), |path, _| files::check_name(path)));
}

#[test]
fn nothing_unfinished_is_merged() {
    let repository = Repository::open();
    let mut complaints = each_source(&repository, files::check_finished);
    for ending in SCRIPTS {
        complaints.extend(repository.ending(ending).flat_map(|(path, text)| files::unfinished_words(path, text)));
    }
    report(&complaints);
}

#[test]
fn test_modules_stay_out_of_the_product() {
    report(&each_source(&Repository::open(), files::check_test_modules));
}

#[test]
fn files_and_functions_fit_in_the_head() {
    let repository = Repository::open();
    let mut complaints = each_source(&repository, files::check_sizes);
    complaints.extend(files::check_ratchet(|path| repository.text(path)));
    report(&complaints);
}

#[test]
fn specification_and_code_cite_each_other() {
    report(&rules::check(&Repository::open()));
}

#[test]
fn the_first_documents_exist() {
    report(&documents::check_required(&Repository::open()));
}

#[test]
fn documents_name_what_exists() {
    let repository = Repository::open();
    let texts = repository.ending(".md");
    report(&texts.flat_map(|(path, text)| documents::check_references(path, text, &repository)).collect::<Vec<_>>());
}

#[test]
fn no_text_leads_to_a_path_on_one_machine() {
    let repository = Repository::open();
    report(&repository.files().flat_map(|(path, text)| documents::check_private_paths(path, text)).collect::<Vec<_>>());
}
