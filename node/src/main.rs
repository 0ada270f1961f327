//! The binary `althing`: everything is in the library of this room, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    althing_node::cli::main()
}
