# The installed machine's identity. mkHost fills it in from the files that the installer writes.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.nixvm.host = {
    hostName = mkOption {
      type = types.str;
      default = "nixvm";
      description = "The machine's host name.";
    };
    username = mkOption {
      type = types.str;
      default = "ht";
      description = "The account that gets the password and the SSH keys at the install.";
    };
    fullName = mkOption {
      type = types.str;
      default = "";
      example = "Ada Lovelace";
      description = "Full name of that account's owner.";
    };
    diskDevice = mkOption {
      type = types.str;
      default = "/dev/vda";
      description = "The disk that disko formats when it is run by hand. The installer writes the disk it has chosen.";
    };
  };
}
