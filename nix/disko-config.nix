# The disk: a GPT with a 512 MB ESP and the rest for the root, for sectors of 512 bytes and of 4 KiB.
#
# The file systems are found by partition label, so the system is the same whatever `nixvm.host.diskDevice` is,
# and boots where firmware variables can't be read at run time. The price: with a second such disk
# attached at boot, either may be taken. The installer refuses to make that situation. The root has
# the type that the Discoverable Partitions Specification gives it, so a machine can be bound to the
# disk its loader came from without repartitioning: by `disko.enableConfig = false` and
# `boot.initrd.systemd.root = "gpt-auto"`.
{ config, pkgs, ... }:
let
  rootType =
    {
      x86_64-linux = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
      aarch64-linux = "B921B045-1DF0-41C3-AF44-4C6F280D3FAE";
    }
    .${pkgs.stdenv.hostPlatform.system};
in
{
  disko.devices.disk.main = {
    type = "disk";
    device = config.nixvm.host.diskDevice;
    content = {
      type = "gpt";
      partitions = {
        ESP = {
          size = "512M";
          type = "EF00";
          content = {
            type = "filesystem";
            format = "vfat";
            # On 4 KiB sectors mkfs.fat would choose FAT16 for this size.
            extraArgs = [
              "-F"
              "32"
              "-n"
              "boot"
            ];
            mountpoint = "/boot";
            mountOptions = [ "umask=0077" ];
          };
        };
        root = {
          size = "100%";
          type = rootType;
          content = {
            type = "filesystem";
            format = "ext4";
            extraArgs = [
              "-L"
              "nixos"
            ];
            mountpoint = "/";
          };
        };
      };
    };
  };
}
