# `nix run .#vm` and `nix run .#install`.
{
  pkgs,
  iso,
  target,
}:
let
  inherit (pkgs) lib;
  app = program: description: {
    type = "app";
    program = lib.getExe program;
    meta = { inherit description; };
  };
in
rec {
  default = vm;
  vm = app (pkgs.callPackage ./run-vm.nix { inherit iso; }) "Boots the ISO in QEMU with a blank disk";
  install = app (pkgs.callPackage ./run-install.nix {
    inherit target;
  }) "Runs the installer on a live NixOS, with nothing baked in";
}
