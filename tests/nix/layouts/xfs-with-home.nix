# Swap, and /home on a partition of its own.
{ lib, ... }:
{
  disko.devices.disk.main.content = lib.mkForce {
    type = "gpt";
    partitions = {
      ESP = {
        size = "512M";
        type = "EF00";
        content = {
          type = "filesystem";
          format = "vfat";
          extraArgs = [
            "-F"
            "32"
          ];
          mountpoint = "/boot";
          mountOptions = [ "umask=0077" ];
        };
      };
      swap = {
        size = "256M";
        content.type = "swap";
      };
      root = {
        size = "2G";
        content = {
          type = "filesystem";
          format = "xfs";
          extraArgs = [
            "-L"
            "nixos"
          ];
          mountpoint = "/";
        };
      };
      home = {
        size = "100%";
        content = {
          type = "filesystem";
          format = "ext4";
          mountpoint = "/home";
        };
      };
    };
  };
}
