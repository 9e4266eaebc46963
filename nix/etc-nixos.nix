# What an installed machine gets as /etc/nixos: this flake without its installer.
#
# The same flake.nix serves both: it offers the installer's outputs only where iso/ is.
{
  lib,
  pkgs,
  desktop,
}:
let
  source = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../flake.nix
      ../flake.lock
      ./boot.nix
      ./configuration.nix
      ./desktop.nix
      ./disk-device.nix
      ./disko-config.nix
      ./first-boot
      ./generalize.nix
      ./grow.nix
      ./grow.rules
      ./guest-tools.nix
      ./has-grown
      ./home.nix
      ./host-options.nix
      ./host.nix
      ./keyboard-layouts.txt
      ./localization.nix
      ./mk-host.nix
      ./nixvm-generalize
      ./profile.nix
      ./target-module.nix
      ./target-configurations.nix
      ./vm.nix
    ];
  };
in
if desktop then
  source
else
  pkgs.runCommand "nixvm-minimal-source" { } ''
    cp --recursive ${source} $out
    chmod u+w $out/nix/profile.nix
    sed --in-place 's/^"desktop"$/"minimal"/' $out/nix/profile.nix
    grep --quiet '^"minimal"$' $out/nix/profile.nix
  ''
