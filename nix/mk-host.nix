# A machine's identity → its nixosConfiguration.
#
# `hostDirectory` is the folder that the installer writes into: host.nix, disk-device.nix and
# hardware-configuration.nix are read from there when they exist, so that another flake has its
# machines installed with answers by passing a folder of its own.
inputs:
{
  # "x86_64-linux" or "aarch64-linux"; null: hardware-configuration.nix says.
  system ? null,
  hostDirectory ? ./.,
  hostname ? null,
  username ? null,
  fullName ? null,
  # Plasma and what belongs to it; false: a small server.
  desktop ? true,
  modules ? [ ],
  specialArgs ? { },
}:
let
  inherit (inputs.nixpkgs) lib;

  written =
    name: otherwise:
    if builtins.pathExists (hostDirectory + "/${name}") then
      import (hostDirectory + "/${name}")
    else
      otherwise;
  host = {
    hostname = "nixvm";
    username = "nixos";
    fullName = "";
  }
  // written "host.nix" { };
  given = value: default: if value == null then default else value;
  generated = hostDirectory + "/hardware-configuration.nix";
in
lib.nixosSystem {
  specialArgs = {
    hostname = given hostname host.hostname;
    username = given username host.username;
    fullName = given fullName host.fullName;
    diskDevice = written "disk-device.nix" "/dev/vda";
  }
  // specialArgs;
  modules = [
    (import ./target.nix inputs)
    { nixvm.desktop.enable = desktop; }
  ]
  ++ lib.optional (system != null) { nixpkgs.hostPlatform = system; }
  ++ lib.optional (builtins.pathExists generated) generated
  ++ modules;
}
