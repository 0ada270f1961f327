//! The node under test: the same program as the binary `althing`, built together with the tests that run it, so that a
//! test never meets an older one.

fn main() -> std::process::ExitCode {
    althing_node::cli::main()
}
