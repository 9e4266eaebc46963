# The ISO in QEMU: UEFI, a blank disk, a window. The disk and the firmware's variables stay in the
# folder it is started in, so a second start boots what the first one installed.
#   nixvm-run [DISK] [QEMU ARGUMENT...]     for example -display none, to have only the serial console
{
  lib,
  writeShellApplication,
  coreutils,
  qemu,
  OVMF,
  stdenv,
  iso,
}:
let
  inherit (stdenv.hostPlatform) isx86 qemuArch;
  machine = if isx86 then "q35,accel=kvm:tcg" else "virt,accel=kvm:tcg,gic-version=max";
in
writeShellApplication {
  name = "nixvm-run";
  runtimeInputs = [
    coreutils
    qemu
  ];
  text = ''
    images=(${iso}/iso/*.iso)
    disk=nixvm.qcow2
    if [ $# -gt 0 ] && [[ $1 != -* ]]; then
      disk=$1
      shift
    fi
    variables=$disk.vars
    [ -e "$disk" ] || qemu-img create -f qcow2 "$disk" 40G
    [ -e "$variables" ] || install -m 644 ${OVMF.variables} "$variables"
    exec qemu-system-${qemuArch} -machine ${machine} -cpu max -smp 2 -m 4096 \
      -drive if=pflash,format=raw,unit=0,readonly=on,file=${OVMF.firmware} \
      -drive if=pflash,format=raw,unit=1,file="$variables" \
      -drive if=none,id=disk,file="$disk" -device virtio-blk-pci,drive=disk,serial=nixvm \
      -drive if=none,id=cd,media=cdrom,readonly=on,file="''${images[0]}" \
      -device virtio-scsi-pci -device scsi-cd,drive=cd \
      -vga none -device virtio-gpu-pci -device qemu-xhci -device usb-kbd -device usb-tablet \
      -nic user,model=virtio-net-pci -serial mon:stdio "$@"
  '';
  meta.platforms = lib.platforms.linux;
}
