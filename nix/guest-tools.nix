# Guest tools of each hypervisor, where they exist for the architecture and need no unfree download.
#
# All at once, so that one system fits every hypervisor and a generated hardware file turns nothing
# on that is not there. Each has to do nothing, and fail at nothing, on the others.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (pkgs.stdenv.hostPlatform) isx86;
  virtualBox = config.virtualisation.virtualbox.guest.enable;
in
{
  services = {
    qemuGuest.enable = lib.mkDefault true;
    spice-vdagentd.enable = lib.mkDefault config.nixvm.desktop.enable;
    # VirtualBox's service waits for its device for a minute and a half on any other machine: let
    # the device start the service instead.
    udev.extraRules = lib.mkIf virtualBox ''
      SUBSYSTEM=="misc", KERNEL=="vboxguest", TAG+="systemd", ENV{SYSTEMD_WANTS}+="virtualbox.service"
    '';
  };

  systemd.services = {
    spice-vdagentd = lib.mkIf config.services.spice-vdagentd.enable {
      unitConfig.ConditionPathExists = "/dev/virtio-ports/com.redhat.spice.0";
    };
    virtualbox = lib.mkIf virtualBox {
      wantedBy = lib.mkForce [ ];
    };
  };

  # Defaults, for a generated hardware file may say otherwise.
  virtualisation = {
    vmware.guest = {
      enable = lib.mkDefault true;
      headless = lib.mkDefault (!config.nixvm.desktop.enable);
    };
    hypervGuest.enable = lib.mkDefault isx86;
    # The additions build on x86 alone, and where VirtualBox runs on arm64 the generated file asks
    # for them all the same.
    virtualbox.guest.enable =
      if isx86 then lib.mkDefault config.nixvm.desktop.enable else lib.mkForce false;
  };
}
