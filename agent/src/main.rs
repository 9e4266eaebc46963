//! The `nixvm-agent` program: only wires.

fn main() {}
