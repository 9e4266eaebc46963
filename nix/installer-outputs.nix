# The flake's outputs for building ISOs, which an installed machine's /etc/nixos lacks. nixvm's own ISOs have their
# names, labels and least disks from here.
{
  inputs,
  mkHost,
  targets,
}:
let
  inherit (inputs) nixpkgs;
  inherit (nixpkgs) lib;
  inherit (lib.importTOML ../Cargo.toml) workspace;
  inherit (workspace.package) version;

  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  forSystems = lib.genAttrs systems;
  pkgsOf = system: nixpkgs.legacyPackages.${system};

  mkInstaller = import ./mk-installer.nix { inherit inputs version; };

  # The project's two ISOs for each system, by the name of the machine that they install.
  images = lib.mapAttrs (
    flakeAttribute: target:
    let
      inherit (target.pkgs.stdenv.hostPlatform) system;
      pkgs = pkgsOf system;
      desktop = target.config.nixvm.desktop.enable;
    in
    mkInstaller {
      nixosConfiguration = target;
      inherit flakeAttribute;
      # With the inputs of this flake, whose sources it is: see mk-installer.nix.
      flake = import ./etc-nixos.nix { inherit lib pkgs desktop; } // {
        inputs = removeAttrs inputs [ "self" ];
      };
      # A pattern such as nixvm-desktop-*.iso.part* has to name the parts of one image alone.
      imageName = "nixvm-${if desktop then "desktop" else "minimal"}-${version}-${architecture system}";
      volumeLabel = lib.replaceStrings [ "nixvm" ] [ "NIXVM" ] flakeAttribute;
      # The closures take about 14 and 3 GB.
      minimumDiskBytes = (if desktop then 20 else 6) * 1024 * 1024 * 1024;
    }
  ) targets;
  architecture = lib.removeSuffix "-linux";

  customiser =
    system:
    lib.optionalAttrs (builtins.pathExists ../iso/customize) {
      nixvm-iso = (pkgsOf system).callPackage ./nixvm-iso.nix { };
    };
in
{
  lib = { inherit mkInstaller; };

  nixosModules.installer = ../iso/image.nix;

  nixosConfigurations = lib.mapAttrs' (
    name: image:
    lib.nameValuePair (lib.replaceStrings [ "nixvm" ] [ "installer" ] name) image.nixosConfiguration
  ) images;

  packages =
    forSystems (
      system:
      rec {
        nixvm-agent = (pkgsOf system).callPackage ./agent.nix { };
        iso = images."nixvm-${architecture system}";
        iso-minimal = images."nixvm-minimal-${architecture system}";
        # The desktop's store would have to fit into memory twice.
        inherit (iso-minimal) netboot kexec;
        default = iso;
      }
      // customiser system
    )
    // lib.genAttrs [ "aarch64-darwin" ] customiser;

  apps = forSystems (
    system:
    import ./apps.nix {
      pkgs = pkgsOf system;
      iso = images."nixvm-${architecture system}";
      target = targets."nixvm-${architecture system}";
    }
  );

  checks = forSystems (
    system:
    import ./checks.nix {
      inherit inputs mkHost mkInstaller;
      pkgs = pkgsOf system;
    }
  );

  devShells = forSystems (system: {
    default = import ./shell.nix { pkgs = pkgsOf system; };
  });

  formatter = forSystems (system: import ./formatter.nix { pkgs = pkgsOf system; });

  templates.default = {
    path = ./template;
    description = "A flake whose own machine installs itself from an ISO";
  };
}
