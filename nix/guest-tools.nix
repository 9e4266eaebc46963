# Guest tools of each hypervisor, where they exist for the architecture and need no unfree download.
#
# All are enabled, so that one system fits every hypervisor and a generated hardware file enables
# nothing more. Each has to be inert on the other hypervisors.
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
  # nixpkgs' Hyper-V module sets them, or one of them, wherever it is enabled, which here is on every
  # hypervisor. They are for a driver that hyperv_drm has replaced and a scheduler that the kernel no longer has.
  options.boot.kernelParams = lib.mkOption {
    apply = lib.filter (
      parameter: parameter != "elevator=noop" && !lib.hasPrefix "video=hyperv_fb:" parameter
    );
  };

  config.services = {
    qemuGuest.enable = lib.mkDefault true;
    spice-vdagentd.enable = lib.mkDefault config.nixvm.desktop.enable;
    # VirtualBox's service waits for its device for a minute and a half on any other machine: the
    # device starts the service instead.
    udev.extraRules = lib.mkIf virtualBox ''
      SUBSYSTEM=="misc", KERNEL=="vboxguest", TAG+="systemd", ENV{SYSTEMD_WANTS}+="virtualbox.service"
    '';
  };

  config.systemd.services = {
    spice-vdagentd = lib.mkIf config.services.spice-vdagentd.enable {
      unitConfig.ConditionPathExists = "/dev/virtio-ports/com.redhat.spice.0";
    };
    virtualbox = lib.mkIf virtualBox {
      wantedBy = lib.mkForce [ ];
    };
  };

  # Defaults, for a generated hardware file may say otherwise.
  config.virtualisation = {
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
