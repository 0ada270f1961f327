//! Every input that is kept is run through its target, and some close to it: what a fuzzer once found stays found, with the stable compiler.
//! It is the only test of its process, because the targets count the memory of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use althing_tests_fuzzing::{TARGETS, neighbours};

/// Files that a target keeps at most, so that this test stays quick.
const FILES_MAX: usize = 60;
/// Neighbours of each kept input that are run as well, so that a machine without a fuzzer looks a little further.
const NEIGHBOURS: usize = 16;
/// Bytes that all targets keep at most.
const BYTES_MAX: u64 = 1 << 20;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names in a folder; without their ending, if they have one.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{} cannot be listed: {error}", folder.display()));
    let names = entries.map(|entry| entry.expect("a folder of the repository can be listed").path());
    names.filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned())).collect()
}

fn check_lists() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&fuzz_folder().join("fuzz_targets")), targets, "a target has a file in fuzz/fuzz_targets");
    assert_eq!(names(&fuzz_folder().join("corpus")), targets, "a target has a folder in fuzz/corpus");
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).expect("the manifest is there");
    let built: BTreeSet<String> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    assert_eq!(built, targets, "a target is built by fuzz/Cargo.toml");
}

#[test]
fn every_kept_input_and_its_neighbours_hold() {
    check_lists();
    let mut bytes_kept = 0;
    for target in TARGETS {
        let mut files: Vec<PathBuf> = fs::read_dir(fuzz_folder().join("corpus").join(target.name))
            .expect("a folder of the repository can be listed")
            .map(|entry| entry.expect("a folder of the repository can be listed").path())
            .collect();
        files.sort();
        assert!(!files.is_empty() && files.len() <= FILES_MAX, "{}: {} files", target.name, files.len());
        for file in files {
            // The test's output is shown where it fails: the last line names the input.
            println!("{}", file.display());
            let bytes = fs::read(&file).expect("a file of the repository can be read");
            bytes_kept += bytes.len() as u64;
            (target.run)(&bytes);
            neighbours(&bytes, NEIGHBOURS).for_each(|bytes| (target.run)(&bytes));
        }
    }
    assert!(bytes_kept <= BYTES_MAX, "{bytes_kept} bytes of inputs, {BYTES_MAX} are allowed: minimise them");
}
