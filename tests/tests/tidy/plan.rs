//! The floor plan, as a table: which room may import which. A room is a crate, a door is a dependency, and doors open
//! downward only. A new arrow needs a decision record in `docs/adr` before it is added here.

use super::complaint::Complaint;
use super::manifest::{Entry, entries};
use super::repository::Repository;

/// Each room with the rooms that it may import, lowest floor first.
pub(crate) const ROOMS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("storage", &[]),
    ("genesis", &["types"]),
    ("contracts", &["types"]),
    ("mempool", &["types"]),
    ("consensus", &["types"]),
    ("network", &["types"]),
    ("rpc", &["types"]),
    ("ledger", &["types", "genesis", "contracts", "storage"]),
    ("client", &["types", "rpc"]),
    ("replica", &["types", "storage", "genesis", "mempool", "consensus", "ledger"]),
    ("tests/simulator", &["types", "storage", "genesis", "mempool", "consensus", "ledger", "replica"]),
    ("tests/fuzzing", &["types", "storage", "genesis", "mempool", "consensus", "ledger", "replica", "rpc"]),
    (
        "node",
        &[
            "types",
            "storage",
            "genesis",
            "contracts",
            "mempool",
            "consensus",
            "network",
            "rpc",
            "ledger",
            "client",
            "replica",
        ],
    ),
    (
        "tests",
        &[
            "types",
            "storage",
            "genesis",
            "contracts",
            "mempool",
            "consensus",
            "network",
            "rpc",
            "ledger",
            "client",
            "node",
        ],
    ),
];

const ROOT: &str = "Cargo.toml";

/// Complains about the whole workspace: its root manifest and that of every member.
pub(crate) fn check(repository: &Repository) -> Vec<Complaint> {
    let root = entries(repository.text(ROOT).unwrap_or_default());
    let mut complaints = check_root(&root);
    for member in members(&root) {
        let path = format!("{member}/Cargo.toml");
        match repository.text(&path) {
            Some(text) => complaints.extend(check_member(member, &path, &entries(text))),
            None => complaints.push(Complaint::new(ROOT, 1, format!("the member `{member}` has no {path}; add it"))),
        }
    }
    complaints
}

fn members(root: &[Entry]) -> Vec<&str> {
    let list = root.iter().find(|entry| entry.section == "workspace" && entry.key == "members");
    list.map(Entry::strings).unwrap_or_default()
}

/// Complains about members outside the table, and about path dependencies that hide a room under another name.
fn check_root(root: &[Entry]) -> Vec<Complaint> {
    let mut complaints: Vec<Complaint> = root.iter().filter_map(|entry| check_section(ROOT, entry)).collect();
    if members(root).is_empty() {
        complaints.push(Complaint::new(ROOT, 1, "the workspace lists no members; list every room"));
    }
    for member in members(root).into_iter().filter(|member| allowed_imports(member).is_none()) {
        let text = format!("the member `{member}` is no room of the floor plan; add it to tests/tests/tidy/plan.rs");
        complaints.push(Complaint::new(ROOT, 1, text));
    }
    for entry in root.iter().filter(|entry| entry.section == "workspace.dependencies") {
        let packed: String = entry.value.chars().filter(|c| !c.is_whitespace()).collect();
        let folder = packed.split_once("path=\"").and_then(|(_, rest)| rest.split('"').next());
        if let Some(package) = folder.map(package_of).filter(|package| *package != entry.key) {
            let text = format!("`{}` is a room under another name; call it `{package}`", entry.key);
            complaints.push(Complaint::new(ROOT, entry.line, text));
        }
    }
    complaints
}

/// Complains about one room: its name, its lints, its doors, and versions outside the root manifest.
fn check_member(member: &str, path: &str, manifest: &[Entry]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let package = package_of(member);
    let name = manifest.iter().find(|entry| entry.section == "package" && entry.key == "name");
    if name.is_none_or(|entry| entry.strings() != [package.as_str()]) {
        let text = format!("the package is not called `{package}`; name it after its folder");
        complaints.push(Complaint::new(path, name.map_or(1, |entry| entry.line), text));
    }
    if !manifest.iter().any(|entry| entry.section == "lints" && entry.key == "workspace" && entry.value == "true") {
        complaints.push(Complaint::new(path, 1, "the lints of the house are missing; add `[lints] workspace = true`"));
    }
    for entry in manifest {
        complaints.extend(check_section(path, entry));
        complaints.extend(check_door(member, path, entry));
        complaints.extend(check_version(path, entry, manifest));
    }
    complaints
}

/// Complains about `[dependencies.name]`, which the other checks would not see.
fn check_section(path: &str, entry: &Entry) -> Option<Complaint> {
    let (parent, _) = entry.section.rsplit_once('.')?;
    let text = format!("`[{}]` is a table of its own; write the dependency on one line", entry.section);
    parent.ends_with("dependencies").then(|| Complaint::new(path, entry.line, text))
}

/// Complains about a dependency that does not take its version from the root.
fn check_version(path: &str, entry: &Entry, manifest: &[Entry]) -> Option<Complaint> {
    let name = entry.dependency()?;
    let same = |other: &&Entry| other.section == entry.section && other.dependency() == Some(name);
    let is_inherited = manifest.iter().filter(same).any(Entry::is_inherited);
    let text = format!("`{name}` has its own version; put that in the root, and here `{name}.workspace = true`");
    (!is_inherited).then(|| Complaint::new(path, entry.line, text))
}

/// Complains about a door that the floor plan does not have.
fn check_door(member: &str, path: &str, entry: &Entry) -> Option<Complaint> {
    let room = entry.dependency()?.strip_prefix("althing-")?;
    let allowed = allowed_imports(member)?;
    let text = if allowed.is_empty() {
        format!("`{member}` must not import `{room}`, nor any other room; move the shared word down a floor")
    } else {
        format!("`{member}` must not import `{room}`, only {}; move the shared word down a floor", allowed.join(", "))
    };
    (!allowed.contains(&room)).then(|| Complaint::new(path, entry.line, text))
}

fn allowed_imports(room: &str) -> Option<&'static [&'static str]> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed)
}

fn package_of(folder: &str) -> String {
    format!("althing-{}", folder.replace('/', "-"))
}

#[cfg(test)]
mod tests {
    use super::super::complaint::assert_complaints;
    use super::{ROOMS, Repository, allowed_imports, check};

    const ROOT: &str = "[workspace]\nmembers = [\"types\"]\n";
    const HEAD: &str = "[package]\nname = \"althing-types\"\n[lints]\nworkspace = true\n";

    fn check_types(root: &str, rest: &str) -> Vec<super::Complaint> {
        check(&Repository::of(&[("Cargo.toml", root), ("types/Cargo.toml", &format!("{HEAD}{rest}"))]))
    }

    #[test]
    fn the_table_has_no_way_up() {
        for (index, (room, allowed)) in ROOMS.iter().enumerate() {
            for below in *allowed {
                let place = ROOMS.iter().position(|(name, _)| name == below);
                assert!(place.is_some_and(|place| place < index), "{room} may import {below}, which is not below it");
            }
        }
        assert_eq!(allowed_imports("consensus"), Some(["types"].as_slice()));
    }

    #[test]
    fn doors_open_downward_only() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let upward = format!("[{section}]\nalthing-ledger.workspace = true\n");
            let expected = [("types/Cargo.toml:6", "`types` must not import `ledger`")];
            assert_complaints(&check_types(ROOT, &upward), &expected);
        }
        assert_complaints(&check_types(ROOT, "[dependencies]\nborsh.workspace = true\n"), &[]);
    }

    #[test]
    fn every_member_is_a_room_named_after_its_folder() {
        let root = "[workspace]\nmembers = [\"shed\", \"types\"]\n";
        let expected = [("Cargo.toml:1", "`shed` is no room"), ("Cargo.toml:1", "has no shed/Cargo.toml")];
        assert_complaints(&check_types(root, ""), &expected);
        assert_complaints(&check(&Repository::of(&[])), &[("Cargo.toml:1", "lists no members")]);
        let misnamed = "[package]\nname = \"types\"\n[lints]\nworkspace = true\n";
        let repository = Repository::of(&[("Cargo.toml", ROOT), ("types/Cargo.toml", misnamed)]);
        assert_complaints(&check(&repository), &[("types/Cargo.toml:2", "`althing-types`")]);
    }

    #[test]
    fn a_room_cannot_hide_under_another_name() {
        let root = format!("{ROOT}[workspace.dependencies]\nwords = {{ path = \"types\" }}\nborsh = \"1\"\n");
        assert_complaints(&check_types(&root, ""), &[("Cargo.toml:4", "call it `althing-types`")]);
        let root = format!("{ROOT}[workspace.dependencies.words]\npath = \"types\"\n");
        assert_complaints(&check_types(&root, ""), &[("Cargo.toml:4", "a table of its own")]);
    }

    #[test]
    fn every_room_takes_the_lints_of_the_house() {
        let bare = "[package]\nname = \"althing-types\"\n";
        let repository = Repository::of(&[("Cargo.toml", ROOT), ("types/Cargo.toml", bare)]);
        assert_complaints(&check(&repository), &[("types/Cargo.toml:1", "[lints] workspace = true")]);
    }

    #[test]
    fn versions_stand_in_the_root_only() {
        for version in ["sha2 = \"1\"", "sha2 = { version = \"1\" }", "sha2.version = \"1\""] {
            let text = format!("[dependencies]\n{version}\n");
            assert_complaints(&check_types(ROOT, &text), &[("types/Cargo.toml:6", "`sha2.workspace = true`")]);
        }
        assert_complaints(&check_types(ROOT, "[dependencies]\nsha2 = { workspace = true, features = [\"a\"] }\n"), &[]);
        assert_complaints(&check_types(ROOT, "[dependencies]\nsha2.workspace = true\nsha2.features = [\"a\"]\n"), &[]);
        let table = "[dependencies.sha2]\nversion = \"1\"\n";
        assert_complaints(&check_types(ROOT, table), &[("types/Cargo.toml:6", "on one line")]);
    }
}
