# A nixosConfiguration → the script that partitions, formats and mounts its disk for the installer.
#
# It names no disk but /dev/nixvm-target, the link that the agent's udev rule gives to the disk that
# was chosen, so it is built once for every disk. disko itself would find the new partitions by
# label, which is another machine's disk as soon as one with the same labels is attached; here each
# partition has its own path below the link, and guards check it before anything is written.
# The layout's user gets none of this: only this evaluation has it.
{ lib, nixosConfiguration }:
let
  target = "/dev/nixvm-target";
  inherit (nixosConfiguration) config;
  devices = config.disko.devices or { };
  disk = devices.disk or { };

  # The agent knows this shape and no other, and a refusal here costs nobody a disk.
  unfit =
    lib.optional (lib.attrNames disk != [ "main" ]) "exactly one disk, disko.devices.disk.main"
    ++ lib.optional (
      disk.main.content.type or null != "gpt"
      ||
        lib.mapAttrs (_: p: p._index) disk.main.content.partitions or { } != {
          ESP = 1;
          root = 2;
        }
    ) "a GPT with a partition ESP and after it a partition root, and no other"
    ++ lib.optional (
      (partition "ESP").content.format or null != "vfat"
      || (partition "ESP").content.mountpoint or null != "/boot"
      || (partition "ESP").type != "EF00"
    ) "partition ESP of type EF00 with a vfat file system, mounted at /boot"
    ++ lib.optional (
      (partition "root").content.type or null != "filesystem"
      || (partition "root").content.mountpoint or null != "/"
    ) "partition root with a file system of its own, mounted at /"
    ++ lib.optional (lib.any (kind: devices.${kind} or { } != { }) [
      "bcachefs_filesystems"
      "lvm_vg"
      "mdadm"
      "nodev"
      "zpool"
    ]) "no volume groups, RAID, pools or other file systems"
    ++ lib.optional (lib.any (name: (partition name).label != "disk-main-${name}") [
      "ESP"
      "root"
    ]) "the partition labels that disko gives by itself"
    ++ lib.optional (config.disko.rootMountPoint or null != "/mnt") "disko.rootMountPoint = \"/mnt\""
    ++ lib.optional (!config.boot.loader.systemd-boot.enable) "boot.loader.systemd-boot.enable = true";
  partition =
    name:
    disk.main.content.partitions.${name} or {
      type = null;
      label = null;
      content = null;
    };

  isOnTarget = ''
    if [[ $(lsblk --nodeps --noheadings --output PKNAME "$(realpath "$device")") != "$(basename "$(realpath ${target})")" ]]; then
      echo "$device is not a partition of ${target}: nothing was written to it" >&2
      exit 1
    fi
  '';

  guarded = nixosConfiguration.extendModules {
    modules = [
      {
        disko.devices.disk.main = {
          device = lib.mkForce target;
          content = {
            # Clearing the disk is the agent's: it knows what is on it and has leave to erase it.
            preCreateHook = lib.mkBefore ''
              if [[ ! -b $device || $(lsblk --noheadings --raw --output NAME "$(realpath "$device")" | wc -l) != 1 ]]; then
                echo "$device is no block device, or carries partitions still: nothing was written to it" >&2
                exit 1
              fi
            '';
            partitions = lib.mapAttrs (_: p: {
              device = lib.mkForce "${target}-part${toString p._index}";
              content = {
                # disko formats nothing where it finds a file system, and keeps the old files.
                preCreateHook = lib.mkBefore ''
                  ${isOnTarget}
                  wipefs --all --force "$device"
                '';
                preMountHook = lib.mkBefore isOnTarget;
              };
            }) disk.main.content.partitions;
          };
        };
      }
    ];
  };
in
if unfit != [ ] then
  throw ''
    nixvm cannot install ${config.networking.hostName}. Its configuration needs:
    ${lib.concatMapStringsSep "\n" (need: "- ${need}") unfit}
    nixvm's own nix/disko-config.nix is such a layout.''
else
  guarded.config.system.build.formatMount
