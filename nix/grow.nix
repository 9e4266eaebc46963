# A disk that was made larger → a root partition and a root file system that are, too: at boot, and while
# the system runs.
#
# systemd-repart looks for the disk under the mounted root, whatever its name or label: with a second such
# disk attached, it is not the wrong one that is written to. `boot.growPartition` would follow the label.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  # sgdisk's codes, which disko takes as well as a GUID.
  codes = {
    "8300" = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    "8304" = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
    "8305" = "B921B045-1DF0-41C3-AF44-4C6F280D3FAE";
  };
  type = config.disko.devices.disk.main.content.partitions.root.type or "";
  guid = codes.${type} or type;

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
  options.nixvm.grow.enable = lib.mkOption {
    type = lib.types.bool;
    default = true;
    description = "Whether the root takes what its disk has more, at boot and while the system runs.";
  };

  config = lib.mkIf config.nixvm.grow.enable {
    assertions = [
      {
        assertion = lib.stringLength guid == 36;
        message = "nixvm.grow.enable needs disko.devices.disk.main.content.partitions.root, of type 8300, 8304, 8305 or a GUID; it has \"${type}\"";
      }
    ];

    systemd.repart = {
      enable = true;
      partitions."50-root".Type = lib.toLower guid;
    };
    systemd.services.systemd-repart.serviceConfig.ExecCondition = "${lib.getExe hasGrown} ${guid}";
    # By systemd-growfs, once the partition is there.
    fileSystems."/".autoResize = true;
    services.udev.extraRules =
      lib.replaceStrings
        [ "@systemctl@" ]
        [
          "${config.systemd.package}/bin/systemctl"
        ]
        (lib.readFile ./grow.rules);
  };
}
