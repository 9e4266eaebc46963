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
in
{
  agent = agent.overrideAttrs {
    pname = "nixvm-agent-tests";
    doCheck = true;
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
