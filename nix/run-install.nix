# The agent on a live NixOS that carries nothing of ours: every install builds the flake.
#
# The manifest names no system and no store image, so the agent builds the flake's host into the
# target's store. It is started in the foreground, in the terminal that it is run from.
{
  lib,
  callPackage,
  nix,
  pkgs,
  writeShellApplication,
  writeText,
  target,
}:
let
  agent = callPackage ./agent.nix { };
  tools = import ../iso/tools.nix { inherit pkgs nix; };
  architecture = lib.removeSuffix "-linux" target.pkgs.stdenv.hostPlatform.system;
  manifest = writeText "manifest.json" (
    callPackage ../iso/manifest.nix { } {
      buildId = "${agent.version}-unbaked";
      flake = "${import ./etc-nixos.nix {
        inherit lib pkgs;
        desktop = true;
      }}";
      flakeAttribute = "nixvm-${architecture}";
      hostDirectory = "nix";
      defaults = {
        hostName = target.config.networking.hostName;
        inherit (import ./host.nix)
          username
          fullName
          keymap
          locale
          timeZone
          proxy
          ;
        countdown = 30;
      };
      networkManager = target.config.networking.networkmanager.enable;
      firstBoot = target.config.systemd.units."nixvm-first-boot.path".enable or false;
      sshHostKey = import ./ssh-host-key.nix { inherit lib; } target.config;
      graphicalLogin = target.config.services.displayManager.enable;
      nixosRelease = target.config.system.nixos.release;
      edition = import ./edition.nix target.config;
      toplevel = null;
      storeMount = null;
      layout = import ./layout.nix {
        inherit lib;
        inherit (target.config.disko.devices.disk.main.content) partitions;
      };
      diskoScript = import ./disko-script.nix {
        inherit lib;
        nixosConfiguration = target;
      };
      minimumDiskBytes = 20 * 1024 * 1024 * 1024;
      # Evaluating and building take more than copying.
      minimumMemoryBytes = 3 * 1000 * 1000 * 1000;
      minimumBuildMemoryBytes = 3 * 1000 * 1000 * 1000;
    }
  );
in
writeShellApplication {
  name = "nixvm-install";
  runtimeInputs = tools;
  text = ''
    if [ "$(id --user)" != 0 ]; then
      echo "nixvm-install: it partitions a disk: run it as root" >&2
      exit 1
    fi
    if findmnt --noheadings --target / --types ext4,btrfs,xfs,zfs,bcachefs >/dev/null; then
      echo "nixvm-install: this looks like an installed system: run it on a live one" >&2
      exit 1
    fi
    if systemctl --quiet is-active nixvm-agent.service; then
      echo "nixvm-install: this live system's own installer is running, on the first console" >&2
      exit 1
    fi
    # What the unit's RuntimeDirectory= is elsewhere.
    install --directory --mode=700 /run/nixvm
    install -D --mode=644 ${manifest} /etc/nixvm/manifest.json
    exec ${lib.getExe agent} run "$@"
  '';
}
