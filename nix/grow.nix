# A disk that was made larger → a root partition and a root file system that are, too: at boot, and while
# the system runs.
#
# systemd-repart looks for the disk under the mounted root, whatever its name or label: with a second such
# disk attached, it is not the wrong one that is written to. `boot.growPartition` would follow the label.
#
# It fits a root on ext3, ext4 or xfs that is the disk's last partition, and the only one of its type: repart grows the
# first of a type. btrfs does not say which partition is mounted.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.nixvm) grow;
  remedy = "Otherwise set nixvm.grow.enable = false.";

  # sgdisk's codes, which disko takes as well as a GUID.
  codes = {
    "8300" = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    "8304" = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
    "8305" = "B921B045-1DF0-41C3-AF44-4C6F280D3FAE";
  };
  partitions = config.disko.devices.disk.main.content.partitions or { };
  partition = partitions.root or { };
  type = partition.type or "";
  guidOf = partition: lib.toLower (codes.${partition.type} or partition.type);
  guid = codes.${type} or type;
  # Of those that systemd-growfs makes larger: not btrfs, whose device numbers are no partition's.
  growing = [
    "ext3"
    "ext4"
    "xfs"
  ];
  isTyped = lib.stringLength guid == 36;
  reachesTheEnd = (partition.end or "-0") == "-0";
  isLast =
    partitions ? root
    && lib.all (
      other: other.name == "root" || other._index < partition._index && guidOf other != guidOf partition
    ) (lib.attrValues partitions);
  fits =
    isTyped
    && reachesTheEnd
    && isLast
    && partition.content.mountpoint or null == "/"
    && lib.elem (partition.content.format or null) growing;
  # null: systemd finds the root by its partition's type.
  root = config.fileSystems."/" or null;

  hasGrown = pkgs.writeShellApplication {
    name = "has-grown";
    runtimeInputs = [
      pkgs.coreutils
      pkgs.gnugrep
      pkgs.gnused
      pkgs.util-linux
    ];
    text = lib.readFile ./has-grown;
  };
in
{
  options = {
    nixvm.grow.enable = lib.mkOption {
      type = lib.types.bool;
      default = fits;
      defaultText = "whether the root is the disk's last partition, reaches to its end, has a type that no other has, and ext3, ext4 or xfs";
      description = "Whether the root takes what its disk has more, at boot and while the system runs.";
    };
    # By systemd-growfs, once the partition is there. A definition of fileSystems."/" would make one.
    fileSystems = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule (
          { config, ... }:
          {
            config.autoResize = lib.mkIf (
              grow.enable && config.mountPoint == "/" && lib.elem config.fsType growing
            ) (lib.mkDefault true);
          }
        )
      );
    };
  };

  config = lib.mkIf grow.enable {
    assertions = [
      {
        assertion = isTyped;
        message = "nixvm.grow.enable needs disko.devices.disk.main.content.partitions.root, of type 8300, 8304, 8305 or a GUID; it has \"${type}\". ${remedy}";
      }
      {
        assertion = reachesTheEnd;
        message = "nixvm.grow.enable needs disko.devices.disk.main.content.partitions.root to have size = \"100%\": the root takes what its disk has more only if it reaches to the disk's end. ${remedy}";
      }
      {
        assertion = isLast;
        message = "nixvm.grow.enable needs disko.devices.disk.main.content.partitions.root to be the disk's last partition, and the only one of its type: systemd-repart makes the first of a type larger. ${remedy}";
      }
      {
        assertion = root == null || lib.elem root.fsType growing;
        message = "nixvm.grow.enable works with a root file system of type ${lib.concatStringsSep ", " growing}; fileSystems.\"/\" has \"${root.fsType}\". ${remedy}";
      }
    ];

    systemd.repart = {
      enable = true;
      partitions."50-root".Type = lib.toLower guid;
    };
    systemd.services.systemd-repart = {
      serviceConfig.ExecCondition = "${lib.getExe hasGrown} ${guid}";
      # No line of fstab starts it then.
      wants = lib.mkIf (root == null) [ "systemd-growfs-root.service" ];
    };
    services.udev.extraRules =
      lib.replaceStrings
        [ "@systemctl@" ]
        [
          "${config.systemd.package}/bin/systemctl"
        ]
        (lib.readFile ./grow.rules);
  };
}
