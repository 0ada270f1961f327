//! `althing-fuzz`: makes the inputs that fuzzing begins with, and runs one target on files, with the stable compiler.
//! `docs/testing.md` says what for.
#![expect(clippy::print_stdout, reason = "a program for people that talks on standard output")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use althing_tests_fuzzing::{TARGETS, Target};
use clap::{Parser, Subcommand};

/// Runs fuzz targets on files, and makes their first inputs.
#[derive(Debug, Parser)]
#[command(name = "althing-fuzz")]
struct Arguments {
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// The names of all targets
    List,
    /// Writes the inputs that each target begins with, into a folder for each
    Seeds {
        /// Where to
        folder: PathBuf,
    },
    /// Runs a target on files; it panics where a property does not hold
    Replay {
        /// The target
        target: String,
        /// The files
        files: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().run {
        Run::List => {
            TARGETS.iter().for_each(|target| println!("{}", target.name));
            Ok(())
        }
        Run::Seeds { folder } => TARGETS.iter().try_for_each(|target| write_seeds(&folder.join(target.name), target)),
        Run::Replay { target, files } => match Target::of(&target) {
            Some(target) => files.iter().try_for_each(|file| replay(target, file)),
            None => Err(io::Error::other(format!("there is no target {target}; `list` names them"))),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write_seeds(folder: &Path, target: &Target) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let seeds = (target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:02}")), seed)?;
    }
    println!("{}: {} seeds, {} bytes", target.name, seeds.len(), seeds.iter().map(Vec::len).sum::<usize>());
    Ok(())
}

fn replay(target: &Target, file: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot read {}: {error}", file.display()));
    (target.run)(&fs::read(file).map_err(named)?);
    println!("{}: {} holds", target.name, file.display());
    Ok(())
}
