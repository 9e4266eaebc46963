# A nixosConfiguration → what building it again from another host.nix takes, beside the system.
#
# Host name, user name, full name, keymap, locale and proxy are in small derivations: lists of users, units
# and files in /etc, the initrd's contents, and the home. An image with the inputs of these builds
# the machine of other answers without network.
{ lib, nixosConfiguration }:
let
  inherit (nixosConfiguration) config pkgs;
  initrd = config.boot.initrd.systemd;
  files = lib.filterAttrs (
    name: _:
    lib.elem name [
      "dbus-1"
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
    config.system.path
  ]
  ++ map (file: file.source) (lib.attrValues files)
  # The initrd's units are not in the system's closure.
  ++ lib.optional initrd.enable initrd.contents."/etc/systemd/system".source
  ++ map (unit: unit.unit) (
    lib.attrValues (lib.filterAttrs (name: _: lib.hasPrefix "home-manager-" name) config.systemd.units)
  )
  ++ lib.concatMap (
    home:
    [
      home.home-files
      home.home.activationPackage
      home.home.path
    ]
    ++ map (file: file.source) (lib.attrValues home.home.file)
  ) homes;
in
map (derivation: derivation.inputDerivation) (
  lib.filter (derivation: lib.isDerivation derivation && derivation ? inputDerivation) derivations
)
# Built, for their sources are not here.
++ [ pkgs.glibcLocales ]
