# A nixosConfiguration → what it lacks for the agent to install it, in words; nothing if it is fit.
#
# The agent knows one boot loader and one way of making accounts, and checks partitions and mounts one by one:
# what is left out here is what it could not check or take down. A host that is refused here would have failed
# after its disk was erased.
{ lib, nixosConfiguration }:
let
  inherit (nixosConfiguration) config pkgs;
  devices = config.disko.devices or { };
  disk = devices.disk or { };
  table = disk.main.content or { type = null; };
  isGpt = table != null && table.type == "gpt";
  partitions = lib.optionalAttrs isGpt table.partitions;
  esp =
    partitions.ESP or {
      _index = null;
      type = null;
      content = null;
    };
  layout = import ./layout.nix { inherit lib partitions; };
  # Shell commands of the host's own, for the script that runs as root.
  hasHooks = one: lib.any (name: lib.hasSuffix "Hook" name && one.${name} != "") (lib.attrNames one);
  mountPoints = lib.concatMap (partition: partition.mount-points) layout;
  # Where the system that is copied has files of its own.
  systemFolders = map (name: "/${name}") [
    "bin"
    "dev"
    "etc"
    "home"
    "lib"
    "lib64"
    "nix"
    "nix/store"
    "nix/var"
    "root"
    "srv"
    "tmp"
    "usr"
    "var"
    "var/lib"
    "var/log"
  ];
  mappings = lib.filter (name: name != null) (map (partition: partition.mapping) layout);
  inherit (config.boot.loader) efi systemd-boot;

  # While the loader is updated the ESP holds one generation more than the limit. A kernel and an
  # initrd take about 60 MB; 64 MiB leave room for the loader.
  generationMiB = 64;
  kibibytes = import ./kibibytes.nix { inherit lib; };
  espKiB = kibibytes (esp.end or "");
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
    "a GPT on disko.devices.disk.main" = isGpt;
    # disko partitions that one, whatever the disk's own is.
    "disko.devices.disk.main.content without a device of its own" =
      !isGpt || table.device == disk.main.device;
    "no hooks on disko.devices.disk.main: the installer can't check what they write" =
      !lib.any hasHooks [
        (disk.main or { })
        (if table == null then { } else table)
      ];
    "partition ESP as the first one, of type EF00 with a vfat file system, mounted at /boot" =
      esp._index == 1
      && esp.type == "EF00"
      && esp.content.format or null == "vfat"
      && esp.content.mountpoint or null == "/boot";
    "a size of partition ESP in K, M, G, T or P, and no end of its own" = espKiB != null;
    "an ESP of 256 MiB or more" = espKiB == null || espKiB >= 256 * 1024;
    "a boot.loader.systemd-boot.configurationLimit: without one, the ESP fills up" = isLimited;
    "an ESP with ${toString generationMiB} MiB for each of boot.loader.systemd-boot.configurationLimit + 1 generations" =
      espKiB == null || !isLimited || espKiB >= (limit + 1) * generationMiB * 1024;
    "at most 8 partitions" = lib.length layout <= 8;
    "a file system that is mounted at /" = lib.elem "/" mountPoints;
    "mount points without a space, a dot folder or a slash at the end, and none below /boot, /dev, /proc, /run or /sys" =
      lib.all (
        path:
        builtins.match "/|(/[^/[:space:]]+)+" path != null
        && builtins.match "(.*/)?\\.\\.?(/.*)?" path == null
        && builtins.match "/(boot/|(dev|proc|run|sys)(/|$)).*" path == null
      ) mountPoints;
    "each mount point once" = lib.allUnique mountPoints;
    "each name of a LUKS device once" = lib.allUnique mappings;
    "no volume groups: the installer does not activate LVM" = devices.lvm_vg or { } == { };
    "no RAID: the installer does not assemble arrays" = devices.mdadm or { } == { };
    "no ZFS: the live system has none" = devices.zpool or { } == { };
    "no bcachefs: it was never tried" = devices.bcachefs_filesystems or { } == { };
    "no file systems without a device of their own, tmpfs say: they were never tried" =
      devices.nodev or { } == { };
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

  contents = {
    luks = "with LUKS on the partition itself: not within LUKS";
    lvm_pv = "without LVM: the installer does not activate it";
    mdraid = "without RAID: the installer does not assemble arrays";
    zfs = "without ZFS: the live system has none";
    bcachefs = "without bcachefs: it was never tried";
  };
  # Another device that a file system is made on or mounted with.
  namesDevice =
    argument:
    lib.any (word: lib.hasInfix word argument) [
      "/dev/"
      "dev="
      "device="
    ];
  # What of cryptsetup's options names nothing else to read the key from, or to write to.
  formatArguments = "( *--(cipher|hash|iter-time|key-size|pbkdf|pbkdf-force-iterations|pbkdf-memory|pbkdf-parallel|sector-size)[ =][a-z0-9:-]+)* *";
  luksNeeds = luks: {
    "with a LUKS name of letters, digits, `_`, `.` and `-`" =
      builtins.match "[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}" luks.name != null && luks.name != "control";
    "with initrdUnlock: the system opens it when it starts" = luks.initrdUnlock;
    "without settings of LUKS but allowDiscards and bypassWorkqueues: they were never tried" =
      lib.subtractLists [ "allowDiscards" "bypassWorkqueues" ] (lib.attrNames luks.settings) == [ ];
    "without key files: its passphrase is given to the installer" =
      luks.keyFile == null && luks.additionalKeyFiles == [ ];
    "without arguments of cryptsetup but those for cipher and key derivation" =
      builtins.match formatArguments (lib.concatStringsSep " " luks.extraFormatArgs) != null
      && luks.extraOpenArgs == [ ];
    "with a file system in LUKS" = lib.elem (luks.content.type or null) [
      "filesystem"
      "btrfs"
    ];
  };
  partitionNeeds =
    name: partition:
    let
      outer = if partition.content == null then { type = "none"; } else partition.content;
      isEncrypted = outer.type == "luks";
      # What is missing in LUKS is another need's.
      isEmpty = isEncrypted && outer.content == null;
      content = if isEncrypted && !isEmpty then outer.content else outer;
      subvolumes = lib.attrValues (content.subvolumes or { });
      swapFiles = one: lib.attrValues (one.swap or { });
      nameOf = subvolume: lib.removePrefix "/" subvolume.name;
      needs = {
        ${contents.${content.type} or "with a file system, btrfs subvolumes or swap"} =
          lib.elem content.type [
            "filesystem"
            "btrfs"
            "swap"
          ]
          || isEmpty;
        "with ext4, xfs, btrfs or f2fs, or with vfat for the ESP" =
          content.type != "filesystem"
          || lib.elem content.format (
            if name == "ESP" then
              [ "vfat" ]
            else
              [
                "ext4"
                "xfs"
                "btrfs"
                "f2fs"
              ]
          );
        "with a mount point" =
          lib.elem content.type [
            "none"
            "swap"
          ]
          || contents ? ${content.type}
          || lib.any (one: one.number == partition._index && one.mount-points != [ ]) layout;
        "without randomEncryption: it was never tried" = !(content.randomEncryption or false);
        # disko would mount it over others' files, or the copy of the system meet it.
        "with swap files only in subvolumes that are mounted for them, at /swap say" =
          content.swap or { } == { }
          && lib.all (
            one:
            one.mountpoint != null
            && one.mountpoint != "/"
            && !lib.elem one.mountpoint systemFolders
            && content.mountpoint or null == null
            && lib.all (path: path == one.mountpoint || !lib.hasPrefix "${one.mountpoint}/" path) mountPoints
            && lib.all (
              other:
              other.name == one.name
              ||
                !lib.hasPrefix "${nameOf one}/" "${nameOf other}/"
                && !lib.hasPrefix "${nameOf other}/" "${nameOf one}/"
            ) subvolumes
          ) (lib.filter (one: swapFiles one != [ ]) subvolumes);
        "with swap files of 1M or more, and a name of letters, digits and ._-" = lib.all (
          one:
          lib.all (
            file:
            builtins.match "\\.?[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}" file.path != null
            && file.size != ""
            && kibibytes "+${file.size}" >= 1024
          ) (swapFiles one)
          && lib.allUnique (map (file: file.path) (swapFiles one))
        ) ([ content ] ++ subvolumes);
        # btrfs takes some for itself, and has its own tables twice.
        "with a quarter and 256M more than its swap files" =
          let
            sizes = map (file: kibibytes "+${file.size}") (
              lib.filter (file: file.size != "") (lib.concatMap swapFiles ([ content ] ++ subvolumes))
            );
            size = kibibytes partition.end;
          in
          sizes == [ ] || size == null || size * 4 >= (lib.foldl' builtins.add 0 sizes) * 5 + 4 * 256 * 1024;
        "on this disk alone: without a device in its arguments and mount options" =
          !lib.any namesDevice (
            lib.concatMap (one: one.extraArgs or [ ] ++ one.mountOptions or [ ]) ([ content ] ++ subvolumes)
          );
        "without a device of its own: another disk could have it" =
          partition.device == "/dev/disk/by-partlabel/${partition.label}"
          && outer.device or partition.device == partition.device
          && (!isEncrypted || isEmpty || content.device == "/dev/mapper/${outer.name}");
        "without hooks: the installer can't check what they write" =
          !lib.any hasHooks (
            [
              partition
              outer
              content
            ]
            ++ subvolumes
          );
        "with the partition label that disko gives by itself" = partition.label == "disk-main-${name}";
        "without a UUID of its own: another disk could have the same" = partition.uuid or null == null;
        "without a start or an alignment of its own: the installer's marker lies in the first MiB" =
          partition.start or "0" == "0" && partition.alignment or 0 == 0;
        "without an entry in the MBR" = partition.hybrid or null == null;
      }
      // lib.optionalAttrs isEncrypted (luksNeeds outer);
    in
    map (need: "partition ${name} ${need}") (lib.attrNames (lib.filterAttrs (_: met: !met) needs));
in
lib.attrNames (lib.filterAttrs (_: met: !met) needs)
++ lib.concatLists (lib.mapAttrsToList partitionNeeds partitions)
++ import ./script-words.nix { inherit lib disk; }
