# btrfs in LUKS, mounted in several places, and a second LUKS for /data. disko's own password file is for others
# than the installer.
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
      data = {
        size = "1G";
        content = {
          type = "luks";
          name = "data";
          content = {
            type = "filesystem";
            format = "ext4";
            mountpoint = "/data";
          };
        };
      };
      root = {
        size = "100%";
        content = {
          type = "luks";
          name = "crypt";
          passwordFile = "/tmp/secret.key";
          settings.allowDiscards = true;
          extraFormatArgs = [ "--pbkdf argon2id" ];
          content = {
            type = "btrfs";
            subvolumes = {
              "/root".mountpoint = "/";
              "/swap" = {
                mountpoint = "/swap";
                swap.swapfile.size = "2G";
              };
              "/nix" = {
                mountpoint = "/nix";
                mountOptions = [ "noatime" ];
              };
            };
          };
        };
      };
    };
  };
}
