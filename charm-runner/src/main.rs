//! The `charm-runner` command.

fn main() {}
