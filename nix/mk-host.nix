# A machine's identity → its nixosConfiguration.
#
# `hostDirectory` is the folder that the installer writes into: host.nix, disk-device.nix and
# hardware-configuration.nix are read from there when they exist. Another flake passes a folder of
# its own, so that answers rename its machines too.
#
# Modules find the identity in the options `nixvm.host`, and as the arguments hostname, username,
# fullName and diskDevice; home-manager's modules get the first three arguments.
{ lib, targetModule }:
{
  # "x86_64-linux" or "aarch64-linux"; null: hardware-configuration.nix says.
  system ? null,
  hostDirectory ? ./.,
  hostname ? null,
  username ? null,
  fullName ? null,
  keymap ? null,
  locale ? null,
  timeZone ? null,
  proxy ? null,
  # Plasma and what belongs to it; false: a small server.
  desktop ? true,
  modules ? [ ],
  specialArgs ? { },
}:
let
  written =
    name: otherwise:
    if builtins.pathExists (hostDirectory + "/${name}") then
      import (hostDirectory + "/${name}")
    else
      otherwise;
  host = {
    hostname = "nixvm";
    username = "ht";
    fullName = "";
    keymap = "us";
    locale = "en_US.UTF-8";
    timeZone = null;
    proxy = null;
  }
  // written "host.nix" { };
  given = value: default: if value == null then default else value;
  generated = hostDirectory + "/hardware-configuration.nix";

  arguments = {
    hostname = given hostname host.hostname;
    username = given username host.username;
    fullName = given fullName host.fullName;
    diskDevice = written "disk-device.nix" "/dev/vda";
  }
  // specialArgs;
in
lib.nixosSystem {
  specialArgs = arguments;
  modules = [
    targetModule
    (
      { config, ... }:
      {
        nixvm = {
          host = {
            hostName = arguments.hostname;
            inherit (arguments) username fullName diskDevice;
            keymap = given keymap host.keymap;
            locale = given locale host.locale;
            timeZone = given timeZone host.timeZone;
            proxy = given proxy host.proxy;
          };
          desktop.enable = desktop;
        };
        home-manager.extraSpecialArgs = {
          inherit (arguments) hostname username fullName;
        };
        # 1Password.
        nixpkgs.config = lib.mkIf config.nixvm.desktop.enable { allowUnfree = true; };
      }
    )
  ]
  ++ lib.optional (system != null) { nixpkgs.hostPlatform = system; }
  ++ lib.optional (builtins.pathExists generated) generated
  ++ modules;
}
