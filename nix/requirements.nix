# A nixosConfiguration → what it lacks for the agent to install it, in words; nothing if it is fit.
#
# The agent knows one layout, one boot loader and one way of making accounts. A host that is refused
# here would have failed after its disk was erased.
{ lib, nixosConfiguration }:
let
  inherit (nixosConfiguration) config pkgs;
  devices = config.disko.devices or { };
  disk = devices.disk or { };
  partition =
    name:
    disk.main.content.partitions.${name} or {
      type = null;
      label = null;
      size = "";
      content = null;
    };
  inherit (config.boot.loader) efi systemd-boot;

  # While the loader is updated the ESP holds one generation more than the limit. A kernel and an
  # initrd take about 60 MB; 64 MiB leave room for the loader.
  generationMiB = 64;
  # In KiB: sgdisk's sizes, from the partition's start. Without a letter they are sectors, of an
  # unknown size.
  kibibytes =
    size:
    let
      parts = builtins.match "\\+([0-9]+)([KMGTP])(iB)?" size;
      powers = {
        K = 1;
        M = 1024;
        G = 1024 * powers.M;
        T = 1024 * powers.G;
        P = 1024 * powers.T;
      };
    in
    lib.mapNullable (parts: lib.toInt (lib.head parts) * powers.${lib.elemAt parts 1}) parts;
  espKiB = kibibytes ((partition "ESP").end or "");
  # The loader's installation takes 0 for no limit.
  limit = systemd-boot.configurationLimit;
  isLimited = limit != null && limit > 0;
  answers = (lib.importJSON ../agent/answers/answers.schema.json).properties;

  needs = {
    "a system for x86_64-linux or aarch64-linux" = lib.elem pkgs.stdenv.hostPlatform.system [
      "x86_64-linux"
      "aarch64-linux"
    ];
    "a host name of at most 63 letters, digits and hyphens" =
      builtins.match answers.hostname.pattern config.networking.hostName != null;

    "exactly one disk, disko.devices.disk.main" = lib.attrNames disk == [ "main" ];
    "a GPT with a partition ESP and after it a partition root, and no other" =
      disk.main.content.type or null == "gpt"
      &&
        lib.mapAttrs (_: p: p._index) disk.main.content.partitions or { } == {
          ESP = 1;
          root = 2;
        };
    "partition ESP of type EF00 with a vfat file system, mounted at /boot" =
      (partition "ESP").content.format or null == "vfat"
      && (partition "ESP").content.mountpoint or null == "/boot"
      && (partition "ESP").type == "EF00";
    "a size of partition ESP in K, M, G, T or P, and no end of its own" = espKiB != null;
    "a boot.loader.systemd-boot.configurationLimit: without one, the ESP fills up" = isLimited;
    "an ESP with ${toString generationMiB} MiB for each of boot.loader.systemd-boot.configurationLimit + 1 generations" =
      espKiB == null || !isLimited || espKiB >= (limit + 1) * generationMiB * 1024;
    "partition root with a file system of its own, mounted at /" =
      (partition "root").content.type or null == "filesystem"
      && (partition "root").content.mountpoint or null == "/";
    "no volume groups, RAID, pools or other file systems" =
      lib.all (kind: devices.${kind} or { } == { })
        [
          "bcachefs_filesystems"
          "lvm_vg"
          "mdadm"
          "nodev"
          "zpool"
        ];
    "the partition labels that disko gives by itself" =
      lib.all (name: (partition name).label == "disk-main-${name}")
        [
          "ESP"
          "root"
        ];
    "disko.rootMountPoint = \"/mnt\"" = config.disko.rootMountPoint or null == "/mnt";

    "boot.loader.systemd-boot.enable = true" = systemd-boot.enable;
    "the loader and the kernels on the ESP at /boot" =
      efi.efiSysMountPoint == "/boot" && systemd-boot.xbootldrMountPoint or null == null;
    # bootctl would make the firmware start the disk before its install is complete.
    "boot.loader.efi.canTouchEfiVariables = false: the installer makes the firmware's boot entry" =
      !efi.canTouchEfiVariables;
    # The default entry is then a pattern, and the agent checks the entry that will boot.
    "boot.loader.systemd-boot.bootCounting.enable = false" =
      !(systemd-boot.bootCounting.enable or false);

    # The installer sets the password where it lasts: in the machine's own /etc/shadow.
    "users.mutableUsers = true: the password that is set at the install would be lost" =
      config.users.mutableUsers;
    "accounts that the activation makes: no services.userborn, no systemd.sysusers" =
      !(config.services.userborn.enable or false) && !(config.systemd.sysusers.enable or false);
    "system.etc.overlay.enable = false" = !(config.system.etc.overlay.enable or false);
  };
in
lib.attrNames (lib.filterAttrs (_: met: !met) needs)
