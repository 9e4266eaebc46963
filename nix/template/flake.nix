{
  description = "A machine that installs itself";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    nixvm = {
      # Where you have nixvm from.
      url = "git+https://example.org/nixvm.git";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    { self, nixvm, ... }:
    {
      nixosConfigurations.web1 = nixvm.lib.mkHost {
        system = "x86_64-linux";
        # host.nix, disk-device.nix and hardware-configuration.nix: the installer writes them.
        hostDirectory = ./nix;
        desktop = false;
        modules = [
          ./configuration.nix
          # With this one too, the root is encrypted.
          # ./encrypted-disk.nix
        ];
      };

      # nix build .#iso
      packages.x86_64-linux.iso = nixvm.lib.mkInstaller {
        nixosConfiguration = self.nixosConfigurations.web1;
        flake = self;
        flakeAttribute = "web1";
        # As in an answers file. Without ssh-authorized-keys and password-hash, it asks for a password.
        answers = {
          disk = "only";
          finish = "reboot";
        };
      };
    };
}
