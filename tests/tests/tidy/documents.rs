//! The documents: those that must exist do, what they link to and what they name exists, and no text of the repository
//! leads to a path on somebody's own machine.

use super::complaint::Complaint;
use super::plan::ROOMS;
use super::repository::Repository;

/// What a visitor looks for first.
const REQUIRED: &[&str] = &["README.md", "ARCHITECTURE.md", "STYLE.md", "LICENSE"];

/// The top folders that only one machine has. They are put together here, so that this file does not match itself.
const PRIVATE_FOLDERS: &[&str] = &["root", "home", "work", "tmp"];

/// Complains about documents that are missing.
pub(crate) fn check_required(repository: &Repository) -> Vec<Complaint> {
    let missing = REQUIRED.iter().filter(|path| repository.text(path).is_none_or(str::is_empty));
    missing.map(|path| Complaint::new(path, 1, "missing or empty; every visitor looks for it, so write it")).collect()
}

/// Complains about links and paths in a document that lead nowhere.
pub(crate) fn check_references(path: &str, text: &str, repository: &Repository) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        if fenced || is_fence {
            continue;
        }
        for target in links(line).into_iter().filter(|target| !target_exists(path, target, repository)) {
            let text = format!("the link `{target}` leads nowhere; mend or remove it");
            complaints.push(Complaint::new(path, index + 1, text));
        }
        for named in code_spans(line).filter_map(source_path).filter(|named| repository.text(named).is_none()) {
            let text = format!("there is no file `{named}`; name what exists");
            complaints.push(Complaint::new(path, index + 1, text));
        }
    }
    complaints
}

/// Complains about absolute paths that exist on one machine only.
pub(crate) fn check_private_paths(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for folder in PRIVATE_FOLDERS.iter().map(|name| format!("/{name}/")) {
        for (index, line) in text.lines().enumerate() {
            let is_start = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-})".contains(c));
            if line.match_indices(&folder).any(|(at, _)| is_start(at)) {
                let text = format!("`{folder}` is a path on one machine; use a relative path or a placeholder");
                complaints.push(Complaint::new(path, index + 1, text));
            }
        }
    }
    complaints
}

/// The parts of a line between backticks.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of `[text](target)` and `[name]: target` outside code spans.
fn links(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect();
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let reference = prose.strip_prefix('[').and_then(|rest| rest.split_once("]:")).map(|(_, target)| target);
    let targets = inline.chain(reference).filter_map(|target| target.split_whitespace().next());
    targets.map(|target| target.trim_matches(['<', '>']).to_owned()).collect()
}

/// Whether a link leads out of the repository, within its own page, or to something that exists.
fn target_exists(document: &str, target: &str, repository: &Repository) -> bool {
    let is_elsewhere = ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
    let file = target.split('#').next().unwrap_or_default();
    is_elsewhere || file.is_empty() || resolve(document, file).is_some_and(|path| repository.has(&path))
}

/// The path from the root of the repository, or `None` for one that leaves it.
fn resolve(document: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The file that a code span names, if it is a source or a document of a room. Patterns are not paths.
fn source_path(span: &str) -> Option<&str> {
    let path = span.split("::").next().unwrap_or_default();
    let (room, _) = path.split_once('/')?;
    let is_file = path.ends_with(".rs") || path.ends_with(".md");
    let is_pattern = path.contains(['*', '<', '{', '[', ' ']);
    (is_file && !is_pattern && ROOMS.iter().any(|(name, _)| *name == room)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::super::complaint::assert_complaints;
    use super::{Repository, check_private_paths, check_references, check_required};

    fn check(path: &str, text: &str) -> Vec<super::Complaint> {
        let files = [("README.md", "a"), ("docs/adr/0001.md", "b"), ("types/src/lib.rs", "c"), ("docs/a.png", "")];
        check_references(path, text, &Repository::of(&files))
    }

    #[test]
    fn the_first_documents_exist() {
        let some = [("README.md", "a"), ("ARCHITECTURE.md", ""), ("LICENSE", "b")];
        let expected = [("ARCHITECTURE.md:1", "missing"), ("STYLE.md:1", "missing")];
        assert_complaints(&check_required(&Repository::of(&some)), &expected);
    }

    #[test]
    fn links_lead_somewhere() {
        let good = "[a](docs/adr/0001.md#top) [b](docs) [c](#here) [d](https://example.org/x)\n\
                    ![e](docs/a.png \"f\")\n[g]: README.md\n";
        assert_complaints(&check("README.md", good), &[]);
        assert_complaints(&check("docs/adr/0001.md", "[a](../../README.md) [b](../a.png) [c](./0001.md)"), &[]);
        for bad in
            ["[a](docs/none.md)", "x [a]( docs/adr/2.md )", "[a]: docs/none.md", "[a](../README.md)", "[a](/README.md)"]
        {
            assert_complaints(&check("README.md", &format!("\n{bad}")), &[("README.md:2", "leads nowhere")]);
        }
        assert_complaints(&check("README.md", "`[a](none.md)`\n```\n[a](none.md)\n```\n"), &[]);
    }

    #[test]
    fn named_sources_exist() {
        let good =
            "`types/src/lib.rs` `types/src/lib.rs::Height` `types/src/<name>.rs` `docs/adr/NNNN-title.md` `lib.rs`";
        assert_complaints(&check("README.md", good), &[]);
        for bad in ["`types/src/none.rs`", "a `b` `ledger/README.md`", "`types/src/none.rs::Height`"] {
            assert_complaints(&check("README.md", bad), &[("README.md:1", "there is no file")]);
        }
    }

    #[test]
    fn no_path_leads_to_one_machine() {
        for folder in ["root", "home", "work", "tmp"] {
            for before in ["", "see ", "\"", "file://", "DIR="] {
                let text = format!("a\n{before}/{folder}/b");
                let expected = [("Makefile:2", "a path on one machine")];
                assert_complaints(&check_private_paths("Makefile", &text), &expected);
            }
            for before in ["$HOME", "..", "https://example.org", "${DIR}", "docs"] {
                assert_complaints(&check_private_paths("Makefile", &format!("{before}/{folder}/b")), &[]);
            }
            assert_complaints(&check_private_paths("Makefile", &format!("/{folder} /var/lib/althing/{folder}")), &[]);
        }
    }
}
