# A nixosConfiguration → what building it again under another identity takes, beside the system.
#
# Host name, user name and full name are in a few small derivations: lists of users, units and files
# in /etc, and the home. An image with the inputs of these builds a renamed machine without network.
{ lib, nixosConfiguration }:
let
  inherit (nixosConfiguration) config;
  files = lib.filterAttrs (
    name: _:
    lib.elem name [
      "hosts"
      "systemd/system"
      "systemd/user"
      "zshrc"
    ]
  ) config.environment.etc;
  homes = lib.attrValues (config.home-manager.users or { });

  derivations = [
    config.system.build.etc
    config.system.build.initialRamdisk
    config.system.build.toplevel
  ]
  ++ map (file: file.source) (lib.attrValues files)
  ++ map (unit: unit.unit) (
    lib.attrValues (lib.filterAttrs (name: _: lib.hasPrefix "home-manager-" name) config.systemd.units)
  )
  ++ lib.concatMap (
    home:
    [
      home.home-files
      home.home.activationPackage
    ]
    ++ map (file: file.source) (lib.attrValues home.home.file)
  ) homes;
in
map (derivation: derivation.inputDerivation) (
  lib.filter (derivation: lib.isDerivation derivation && derivation ? inputDerivation) derivations
)
