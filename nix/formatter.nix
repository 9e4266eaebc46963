# `nix fmt`: the whole repository, whatever it is called with.
{ pkgs }:
pkgs.writeShellApplication {
  name = "format";
  runtimeInputs = with pkgs; [
    cargo
    findutils
    git
    nixfmt
    rustfmt
  ];
  text = ''
    git ls-files -z '*.nix' ':!*/hardware-configuration.nix' | xargs --null --no-run-if-empty nixfmt
    cargo fmt --all
  '';
}
