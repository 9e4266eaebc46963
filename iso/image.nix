# The live image: nixpkgs' minimal installation medium with the agent on tty1.
{
  config,
  lib,
  modulesPath,
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
  imports = [
    (modulesPath + "/installer/cd-dvd/installation-cd-minimal.nix")
    ./module.nix
    ./grub-entry.nix
  ];

  options.nixvm.installer = {
    answers = mkOption {
      inherit (pkgs.formats.toml { }) type;
      default = { };
      description = "Answers that the image carries, by the names of an answers file.";
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
    imageName = mkOption {
      type = types.str;
      description = "The image's file name without .iso.";
    };
    volumeLabel = mkOption {
      type = types.strMatching ".{1,32}";
      description = "The image's volume label, by which it finds itself.";
    };
    liveAuthorizedKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Keys that may log in to the live system as root. None: it runs no sshd, unless answers have keys.";
    };
  };

  config = {
    nixvm.installer.storeMount = "/nix/.ro-store";

    image.baseName = mkForce cfg.imageName;
    isoImage = {
      volumeID = cfg.volumeLabel;
      storeContents =
        lib.optional (cfg.toplevel != null) cfg.toplevel ++ cfg.rebuildKit ++ cfg.inputSources;
      contents = [
        {
          source = if answers.text == "" then pkgs.writeText "answers.toml" answers.area else checkedAnswers;
          target = "/nixvm/answers.toml";
        }
      ];
      # On BIOS the agent says what to change; an image that doesn't start says nothing.
      makeBiosBootable = isx86;
      squashfsCompression = "zstd -Xcompression-level 15";
      prependToMenuLabel = "Install ";
      appendToMenuLabel = "";
    };

    boot = {
      loader.timeout = mkForce 3;
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
