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
    keymap = mkOption {
      type = types.str;
      default = "us";
      example = "de-latin1";
      description = "The keyboard's keymap, by kbd's names; the graphical session gets the layout that belongs to it.";
    };
    locale = mkOption {
      type = types.str;
      default = "en_US.UTF-8";
      example = "de_DE.UTF-8";
      description = "Language and formats, by glibc's names.";
    };
    timeZone = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "Europe/Berlin";
      description = "The time zone. null: that of /etc/localtime, which the installer and timedatectl set on the machine.";
    };
    proxy = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "http://proxy.example.org:3128";
      description = "The HTTP proxy for downloads, as networking.proxy.default has it. null: none.";
    };
    diskDevice = mkOption {
      type = types.str;
      default = "/dev/vda";
      description = "The disk that disko formats when it is run by hand. The installer writes the disk it has chosen.";
    };
  };
}
