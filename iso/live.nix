# The live system of the installer, on an ISO or booted from the network: its answers, sshd, kernel
# parameters, and what it leaves alone on the disks.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.nixvm.installer;
  inherit (lib)
    mkForce
    mkIf
    mkOption
    types
    ;
  inherit (pkgs.stdenv.hostPlatform) isx86;

  answers = import ./answers-area.nix { inherit lib; } cfg.answers;
  # A mistake in the answers fails the build of the image, rather than an install.
  checkedAnswers =
    pkgs.runCommand "answers.toml"
      { nativeBuildInputs = [ (pkgs.buildPackages.callPackage ../nix/nixvm-iso.nix { }) ]; }
      ''
        nixvm-iso validate ${pkgs.writeText "given.toml" answers.text}
        cp ${pkgs.writeText "area.toml" answers.area} $out
      '';
in
{
  imports = [ ./module.nix ];

  options.nixvm.installer = {
    answers = mkOption {
      inherit (pkgs.formats.toml { }) type;
      default = { };
      description = "Answers that the image carries, by the names of an answers file.";
    };
    answersFile = mkOption {
      type = types.path;
      internal = true;
      readOnly = true;
      default = if answers.text == "" then pkgs.writeText "answers.toml" answers.area else checkedAnswers;
      description = "What the agent reads as /iso/nixvm/answers.toml.";
    };
    rebuildKit = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "More of the image's store: what an answer that needs a build takes offline.";
    };
    inputSources = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "More of the image's store: the sources that the flake is locked to.";
    };
    storeContents = mkOption {
      type = types.listOf (types.either types.package types.str);
      internal = true;
      readOnly = true;
      default = lib.optional (cfg.toplevel != null) cfg.toplevel ++ cfg.rebuildKit ++ cfg.inputSources;
      description = "What the image's store holds beside the live system.";
    };
    storeCompression = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      default = "zstd -Xcompression-level 15";
      description = "How the image's store is compressed, as mksquashfs takes it.";
    };
    volumeLabel = mkOption {
      type = types.strMatching ".{1,32}";
      description = "The ISO's volume label, by which it finds itself, and any live system an ISO of this host.";
    };
    liveAuthorizedKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Keys that may log in to the live system as root. None: it runs no sshd, unless answers have keys.";
    };
  };

  config = {
    # Where nixpkgs' modules mount the store, on an ISO and in an initrd.
    nixvm.installer.storeMount = "/nix/.ro-store";

    boot = {
      # Kernel messages would overwrite the agent's screen. The last console is the primary one.
      consoleLogLevel = lib.mkDefault 3;
      kernelParams = [
        "quiet"
        "systemd.show_status=false"
        "udev.log_level=3"
        # The agent alone mounts the target's disk.
        "systemd.gpt_auto=0"
        # A system that sleeps on a disk is neither woken nor lost.
        "noresume"
        (if isx86 then "console=ttyS0,115200" else "console=ttyAMA0,115200")
        "console=tty0"
      ];
      # Without its display driver a VM shows a blank window, or 80x25.
      initrd.kernelModules = [ "virtio_gpu" ] ++ lib.optional isx86 "bochs";
      # Nothing is put together from what is found on the disks. An array is resynchronised and a
      # cache is written back: writes without consent. And what is put together holds its disks, and
      # a held disk can't be offered.
      swraid.enable = mkForce false;
      bcache.enable = mkForce false;
      supportedFilesystems.zfs = mkForce false;
      # The initrd's udev would activate volume groups, before /etc/lvm is there to say otherwise.
      initrd.services.lvm.enable = mkForce false;
    };
    environment.etc."lvm/lvm.conf".text = "activation { auto_activation_volume_list = [] }";

    hardware.enableRedistributableFirmware = mkForce false;
    zramSwap.enable = true;

    networking.hostName = "nixvm-installer";
    services = {
      # The live accounts have empty passwords.
      openssh = {
        enable = mkForce true;
        settings = {
          AuthenticationMethods = mkForce "publickey";
          KbdInteractiveAuthentication = mkForce false;
          PasswordAuthentication = mkForce false;
          PermitRootLogin = mkForce "prohibit-password";
        };
      };
      getty.helpLine = mkForce ''
        This is the live system: log in as "nixos" or "root", without a password. The installer is on
        the first console (Alt+F1), unless the kernel was started with nixvm.installer=no.
      '';
    };
    users.users.root.openssh.authorizedKeys.keys = cfg.liveAuthorizedKeys;
    # The installer starts it for keys in the answers.
    systemd.services.sshd.wantedBy = mkIf (cfg.liveAuthorizedKeys == [ ]) (mkForce [ ]);

    # The carried system has the sources that its flake is locked to.
    system.installer.channel.enable = false;
    documentation = {
      enable = mkForce false;
      nixos.enable = mkForce false;
    };
  };
}
