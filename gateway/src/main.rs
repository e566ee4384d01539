//! The `hearth` binary.

fn main() -> std::process::ExitCode {
    hearth_gateway::cli::main()
}
