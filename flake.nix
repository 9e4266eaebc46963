{
  description = "A live ISO that turns a blank virtual machine into a running NixOS without a question";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    disko = {
      url = "github:nix-community/disko/latest";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    inputs@{ nixpkgs, ... }:
    let
      inherit (nixpkgs) lib;
      mkHost = import ./nix/mk-host.nix inputs;
      targets = import ./nix/targets.nix { inherit lib mkHost; };
      # An installed machine's /etc/nixos is this flake without its installer: see nix/source.nix.
      installer = lib.optionalAttrs (builtins.pathExists ./iso) (
        import ./nix/installer.nix {
          inherit inputs mkHost;
          targets = targets.carried;
        }
      );
    in
    installer
    // {
      lib = {
        inherit mkHost;
      }
      // installer.lib or { };

      nixosModules = {
        target = import ./nix/target.nix inputs;
      }
      // installer.nixosModules or { };

      nixosConfigurations = targets.carried // installer.nixosConfigurations or { } // targets.installed;
    };
}
