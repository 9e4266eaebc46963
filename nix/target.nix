# The installed machine as one module, for flakes that bring their own nixosSystem.
#
# The identity comes as specialArgs, as mkHost gives it, or else as `_module.args`.
inputs:
{ lib, ... }:
{
  imports = [
    inputs.disko.nixosModules.disko
    inputs.home-manager.nixosModules.home-manager
    ./boot.nix
    ./configuration.nix
    ./desktop.nix
    ./disko-config.nix
    ./guest-tools.nix
    ./vm.nix
  ];

  _module.args = lib.mapAttrs (_: lib.mkDefault) {
    hostname = "nixvm";
    username = "nixos";
    fullName = "";
    diskDevice = "/dev/vda";
  };

  # The sources that /etc/nixos is locked to stay on the machine: it is evaluated without network.
  # nixosSystem keeps those of nixpkgs in the same way.
  nix.registry = {
    disko.flake = inputs.disko;
    home-manager.flake = inputs.home-manager;
  };
}
