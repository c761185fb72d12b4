//! The `charm-runner` command.

fn main() -> std::process::ExitCode {
    charm_runner::main()
}
