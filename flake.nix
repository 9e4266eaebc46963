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
    inputs@{
      nixpkgs,
      disko,
      home-manager,
      ...
    }:
    let
      inherit (nixpkgs) lib;
      target = lib.modules.importApply ./nix/target-module.nix { inherit disko home-manager; };
      mkHost = import ./nix/mk-host.nix {
        inherit lib;
        targetModule = target;
      };
      configurations = import ./nix/target-configurations.nix { inherit lib mkHost; };
      # An installed machine's /etc/nixos is this flake without its installer: see nix/etc-nixos.nix.
      installer = lib.optionalAttrs (builtins.pathExists ./iso) (
        import ./nix/installer-outputs.nix {
          inherit inputs mkHost;
          targets = configurations.carried;
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
        inherit target;
        generalize = ./nix/generalize.nix;
        grow = ./nix/grow.nix;
        # What an answer's script takes, for hosts without the rest of the target.
        first-boot = ./nix/first-boot;
      }
      // installer.nixosModules or { };

      nixosConfigurations =
        configurations.carried // installer.nixosConfigurations or { } // configurations.installed;
    };
}
