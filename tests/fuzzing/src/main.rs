//! `althing-fuzz`: makes the inputs that fuzzing begins with, and runs one target on files, with the stable compiler.
//! `docs/testing.md` says what for.
#![expect(clippy::print_stdout, reason = "a program for people that talks on standard output")]

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use althing_tests_fuzzing::{TARGETS, Target, neighbours};

const USAGE: &str = "althing-fuzz list | seeds FOLDER | replay TARGET FILE... | around COUNT TARGET FILE...";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["list"] => {
            TARGETS.iter().for_each(|target| println!("{}", target.name));
            Ok(())
        }
        ["seeds", folder] => {
            TARGETS.iter().try_for_each(|target| write_seeds(&Path::new(folder).join(target.name), target))
        }
        ["replay", name, ref files @ ..] => match Target::of(name) {
            Some(target) => files.iter().try_for_each(|file| replay(target, Path::new(file))),
            None => Err(io::Error::other(format!("there is no target {name}; `list` names them"))),
        },
        ["around", count, name, ref files @ ..] => match (count.parse(), Target::of(name)) {
            (Ok(count), Some(target)) => files.iter().try_for_each(|file| around(target, count, Path::new(file))),
            _ => Err(io::Error::other(USAGE)),
        },
        _ => Err(io::Error::other(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the inputs that a target begins with.
fn write_seeds(folder: &Path, target: &Target) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let seeds = (target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:02}")), seed)?;
    }
    println!("{}: {} seeds, {} bytes", target.name, seeds.len(), seeds.iter().map(Vec::len).sum::<usize>());
    Ok(())
}

/// Runs a target on inputs close to a file. The last of them is kept in a file while it runs, so that a finding is there.
fn around(target: &Target, count: usize, file: &Path) -> io::Result<()> {
    let kept = env::temp_dir().join(format!("althing-fuzz-{}-{}", target.name, std::process::id()));
    println!("{}: {count} neighbours of {}; a finding is in {}", target.name, file.display(), kept.display());
    for bytes in neighbours(&fs::read(file)?, count) {
        fs::write(&kept, &bytes)?;
        (target.run)(&bytes);
    }
    fs::remove_file(&kept)
}

/// Runs a target on a file; it panics where a property does not hold.
fn replay(target: &Target, file: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot read {}: {error}", file.display()));
    (target.run)(&fs::read(file).map_err(named)?);
    println!("{}: {} holds", target.name, file.display());
    Ok(())
}
