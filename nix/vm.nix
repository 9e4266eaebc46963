# Hardware of every virtual machine that the installer knows, without a generated file.
#
# A superset: what nixos-generate-config writes on one of them adds nothing to it, unless a device of
# the host is passed through. Each module is in nixpkgs' own list for installation media of that
# architecture, so a kernel has it.
{
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  inherit (pkgs.stdenv.hostPlatform) isx86;
in
{
  imports = [ (modulesPath + "/profiles/qemu-guest.nix") ];

  boot.initrd = {
    availableKernelModules = [
      # Disks: QEMU, UTM, Parallels, VirtualBox, VMware, Apple Virtualization.
      "ahci"
      "ata_piix"
      "mptspi"
      "nvme"
      "sd_mod"
      "sr_mod"
      "uas"
      "usb_storage"
      "virtio_blk"
      "virtio_pci"
      "virtio_scsi"
      # Keyboards, for a passphrase or the emergency shell.
      "ehci_pci"
      "ohci_pci"
      "uhci_hcd"
      "usbhid"
      "xhci_pci"
    ]
    # The paravirtual disks of Hyper-V and VMware.
    ++ lib.optionals isx86 [
      "hv_storvsc"
      "vmw_pvscsi"
    ];
    # A VM's window stays blank, or at 80x25, until its display driver is there.
    kernelModules = [ "virtio_gpu" ];
  };
}
