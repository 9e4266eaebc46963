# One btrfs, mounted in several places, a subvolume that is mounted nowhere, and one with swap files.
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
          mountpoint = "/boot";
          mountOptions = [ "umask=0077" ];
        };
      };
      root = {
        size = "100%";
        content = {
          type = "btrfs";
          extraArgs = [
            "-L"
            "nixos"
          ];
          subvolumes = {
            "/root" = {
              mountpoint = "/";
              mountOptions = [ "compress=zstd" ];
            };
            "/root/srv/data" = { };
            "/home".mountpoint = "/home";
            "/nix" = {
              mountpoint = "/nix";
              mountOptions = [ "noatime" ];
            };
            "/log".mountpoint = "/var/log";
            "/swap" = {
              mountpoint = "/.swap";
              swap = {
                swapfile.size = "32M";
                second = {
                  path = "more";
                  size = "16M";
                };
              };
            };
          };
        };
      };
    };
  };
}
