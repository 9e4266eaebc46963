# The flake's inputs → the installed machine as one module, for flakes with a nixosSystem of their own.
#
# The identity is `nixvm.host`. Without `nixvm.desktop.enable` it is a small server, and it sets no
# nixpkgs.config, so it can be used with a package set made elsewhere.
{ disko, home-manager }:
{
  imports = [
    disko.nixosModules.disko
    home-manager.nixosModules.home-manager
    ./boot.nix
    ./configuration.nix
    ./desktop.nix
    ./disko-config.nix
    ./first-boot
    ./generalize.nix
    ./grow.nix
    ./guest-tools.nix
    ./host-options.nix
    ./localization.nix
    ./vm.nix
  ];

  # The sources that /etc/nixos is locked to stay on the machine: it is evaluated without network.
  # nixosSystem keeps those of nixpkgs in the same way.
  nix.registry = {
    disko.flake = disko;
    home-manager.flake = home-manager;
  };
}
