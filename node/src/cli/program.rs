//! Commands about the program itself: its version and completion scripts for shells.

use clap::CommandFactory as _;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::{Cli, Exit};

/// Writes the version.
pub(crate) fn version(output: &Output) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    output.either(
        || format!("althing {version}\n"),
        json!({ "version": version, "genesisSchema": althing_genesis::SCHEMA }),
    )?;
    Ok(Exit::Done)
}

/// Writes a completion script.
pub(crate) fn completions(shell: clap_complete::Shell, output: &Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "althing", &mut script);
    output.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
