# The customiser of finished ISOs, for whatever system cargo builds for.
{ lib, rustPlatform }:
rustPlatform.buildRustPackage {
  pname = "nixvm-iso";
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  inherit
    (import ./cargo-source.nix { inherit lib; } {
      folders = [
        ../agent/answers
        ../iso/customize
      ];
    })
    src
    postPatch
    ;
  cargoLock.lockFile = ../Cargo.lock;
  buildAndTestSubdir = "iso/customize";

  meta = {
    description = "Puts answers into a downloaded nixvm ISO";
    license = lib.licenses.mit;
    mainProgram = "nixvm-iso";
  };
}
