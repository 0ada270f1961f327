//! As much of `Cargo.toml` as the checks ask for: sections, and the key and value of each line. A value over several
//! lines (a list of members, say) is joined.

/// One `key = value` of a manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The section without its brackets, for example `dev-dependencies`.
    pub(crate) section: String,
    /// The key as written, for example `althing-types.workspace`.
    pub(crate) key: String,
    /// The value as written, for example `true` or `{ path = "types" }`.
    pub(crate) value: String,
    /// The line of the key, counted from 1.
    pub(crate) line: usize,
}

impl Entry {
    /// The name of the dependency that this entry is about, or `None` where it is about something else.
    pub(crate) fn dependency(&self) -> Option<&str> {
        let kind = self.section.rsplit('.').next().unwrap_or_default();
        let is_list = matches!(kind, "dependencies" | "dev-dependencies" | "build-dependencies");
        let is_ours = is_list && self.section != "workspace.dependencies";
        is_ours.then(|| self.key.split('.').next().unwrap_or_default())
    }

    /// Whether the value, or the rest of a dotted key, says `workspace = true`.
    pub(crate) fn is_inherited(&self) -> bool {
        let packed: String = self.value.chars().filter(|c| !c.is_whitespace()).collect();
        (self.key.ends_with(".workspace") && packed == "true") || packed.contains("workspace=true")
    }

    /// The quoted strings in the value.
    pub(crate) fn strings(&self) -> Vec<&str> {
        self.value.split('"').skip(1).step_by(2).collect()
    }
}

/// The entries of a manifest, in order.
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut section = String::new();
    let mut open_brackets = false;
    for (index, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        if let Some(entry) = found.last_mut().filter(|_| open_brackets) {
            entry.value.push_str(line);
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim().trim_matches('"').to_owned(), value.trim().to_owned());
            found.push(Entry { section: section.clone(), key, value, line: index + 1 });
        }
        open_brackets = found.last().is_some_and(|entry| has_open_brackets(&entry.value));
    }
    found
}

/// The line up to a `#` that is not inside a string.
fn without_comment(line: &str) -> &str {
    let mut in_string = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => in_string = !in_string,
            '#' if !in_string => return &line[..at],
            _ => {}
        }
    }
    line
}

fn has_open_brackets(value: &str) -> bool {
    let outside_strings = || value.split('"').step_by(2);
    let count = |brackets: [char; 2]| outside_strings().map(|part| part.matches(brackets).count()).sum::<usize>();
    count(['[', '{']) > count([']', '}'])
}

#[test]
fn a_manifest_is_read_by_line() {
    let text = "[package]\nname = \"a#b\" # why\n\
                [dependencies]\nx.workspace = true\ny = { workspace = true, features = [\"[\"] }\n\
                [target.'cfg(unix)'.dev-dependencies]\nz = \"1\"\n\
                [workspace]\nmembers = [\n  \"p\", # first\n  \"q\",\n]\nr = 1\n";
    let found = entries(text);
    assert_eq!(found.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 4, 5, 7, 9, 13]);
    assert_eq!(found[0].strings(), ["a#b"]);
    let dependencies: Vec<_> = found.iter().map(Entry::dependency).collect();
    assert_eq!(dependencies, [None, Some("x"), Some("y"), Some("z"), None, None]);
    assert_eq!(found.iter().map(Entry::is_inherited).collect::<Vec<_>>(), [false, true, true, false, false, false]);
    assert_eq!(found[4].strings(), ["p", "q"]);
}
