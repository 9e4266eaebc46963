# A root on ext4 in LUKS, in place of nixvm's own layout: a module for mkHost. The installer asks for the passphrase,
# and so does the system at every start.
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
          type = "luks";
          name = "crypt";
          content = {
            type = "filesystem";
            format = "ext4";
            mountpoint = "/";
            extraArgs = [
              "-L"
              "nixos"
            ];
          };
        };
      };
    };
  };
}
