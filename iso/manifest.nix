# The installer's options → /etc/nixvm/manifest.json, in the format that agent/manifest/src/lib.rs reads.
{
  closureInfo,
  lib,
  stdenv,
}:
installer:
builtins.toJSON {
  version = 1;
  build-id = installer.buildId;
  inherit (stdenv.hostPlatform) system;
  inherit (installer) flake;
  flake-attribute = installer.flakeAttribute;
  host-directory = installer.hostDirectory;
  defaults = {
    hostname = installer.defaults.hostName;
    inherit (installer.defaults) username countdown;
    full-name = installer.defaults.fullName;
    inherit (installer.defaults) keymap locale proxy;
    timezone = installer.defaults.timeZone;
  };
  inherit (installer) toplevel;
  registration = lib.mapNullable (
    toplevel: "${closureInfo { rootPaths = [ toplevel ]; }}/registration"
  ) installer.toplevel;
  store-mount = installer.storeMount;
  disko-script = lib.getExe installer.diskoScript;
  inherit (installer) layout;
  minimum-disk-bytes = installer.minimumDiskBytes;
  minimum-memory-bytes = installer.minimumMemoryBytes;
  minimum-build-memory-bytes = installer.minimumBuildMemoryBytes;
  graphical-login = installer.graphicalLogin;
  network-manager = installer.networkManager;
  first-boot = installer.firstBoot;
  ssh-host-key = installer.sshHostKey;
  volume-label = installer.volumeLabel or null;
  nixos-release = installer.nixosRelease;
  inherit (installer) edition;
}
