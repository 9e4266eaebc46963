# What building the agent and running the rehearsal lab take.
{ pkgs }:
pkgs.mkShell {
  packages = with pkgs; [
    cargo
    clippy
    nixfmt
    pkg-config
    qemu
    rust-analyzer
    rustc
    rustfmt
    udev
    xorriso
  ];
}
