# `nix flake check`: the agent's tests, the format, and the virtual machines of tests/.
{
  inputs,
  pkgs,
  mkHost,
  mkInstaller,
}:
let
  inherit (pkgs) lib;
  agent = pkgs.callPackage ./agent.nix { };
  # The agent and the crates of its own that it is made of, by their names in their manifests.
  agentCrates = map (member: (lib.importTOML (../. + "/${member}/Cargo.toml")).package.name) (
    lib.filter (lib.hasPrefix "agent") (lib.importTOML ../Cargo.toml).workspace.members
  );
in
{
  agent = agent.overrideAttrs {
    pname = "nixvm-agent-tests";
    doCheck = true;
    # What the tests start: a message bus and its clients, the reader of network settings, and the maker
    # of the images that are copied.
    nativeCheckInputs = with pkgs; [
      dbus
      networkmanager
      squashfsTools
      systemd
      util-linux
    ];
    cargoTestFlags = map (crate: "--package=${crate}") agentCrates;
  };

  format =
    pkgs.runCommand "nixvm-format"
      {
        nativeBuildInputs = [ pkgs.nixfmt ];
        src = lib.fileset.toSource {
          root = ../.;
          # Those of the tests are as their generator writes them.
          fileset = lib.fileset.fileFilter (
            file: file.hasExt "nix" && file.name != "hardware-configuration.nix"
          ) ../.;
        };
      }
      ''
        find $src -name '*.nix' -print0 | xargs --null nixfmt --check
        touch $out
      '';
}
// import ../tests {
  inherit
    inputs
    pkgs
    mkHost
    mkInstaller
    ;
}
