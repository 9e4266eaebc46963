# ext4 alone, on three partitions.
{ lib, ... }:
let
  ext4 = mountpoint: {
    type = "filesystem";
    format = "ext4";
    inherit mountpoint;
  };
in
{
  disko.devices.disk.main.content = lib.mkForce {
    type = "gpt";
    partitions = {
      ESP = {
        size = "1G";
        type = "EF00";
        content = {
          type = "filesystem";
          format = "vfat";
          mountpoint = "/boot";
        };
      };
      var = {
        size = "512M";
        content = ext4 "/var";
      };
      nix = {
        size = "1G";
        content = ext4 "/nix";
      };
      root = {
        size = "100%";
        type = "8304";
        content = ext4 "/";
      };
    };
  };
}
