# The same live system without an ISO: kernel, initrd with the store in it, and a script for iPXE;
# nixpkgs' minimal netboot image with the agent on tty1.
#
# The whole store is in memory, twice while the kernel unpacks the initrd.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  cfg = config.nixvm.installer;
  inherit (config.system) build;
  inherit (config.system.boot.loader) kernelFile;
in
{
  imports = [
    (modulesPath + "/installer/netboot/netboot-minimal.nix")
    ./live.nix
  ];

  netboot = {
    inherit (cfg) storeContents;
    squashfsCompression = cfg.storeCompression;
  };
  system.stateVersion = lib.mkDefault lib.trivial.release;
  # Where an ISO has them.
  systemd.tmpfiles.rules = [ "L+ /iso/nixvm/answers.toml - - - - ${cfg.answersFile}" ];

  # What a server of TFTP or HTTP hands out, under the names in the script.
  system.build.nixvmNetboot = pkgs.linkFarm "${cfg.flakeAttribute}-netboot" {
    ${kernelFile} = "${build.kernel}/${kernelFile}";
    initrd = "${build.netbootRamdisk}/initrd";
    "netboot.ipxe" = "${build.netbootIpxeScript}/netboot.ipxe";
  };
}
