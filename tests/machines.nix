# What the scenarios share: a small host with the test driver's backdoor, its ISO, and QEMU.
#
# Evaluated where the project is developed; a machine that can build NixOS has to run them.
{
  inputs,
  pkgs,
  mkHost,
  mkInstaller,
  ...
}:
let
  inherit (pkgs) lib OVMF;
  inherit (pkgs.stdenv.hostPlatform) isx86 qemuArch system;
  instrumentation = inputs.nixpkgs + "/nixos/modules/testing/test-instrumentation.nix";
  machine = if isx86 then "q35,accel=kvm:tcg" else "virt,accel=kvm:tcg,gic-version=max";
in
rec {
  inherit lib system;

  # The carried system has the backdoor, so the second boot can be looked at from inside.
  host = mkHost {
    inherit system;
    desktop = false;
    modules = [ instrumentation ];
  };

  # Without it, as its own sources build it again.
  plainHost = mkHost {
    inherit system;
    desktop = false;
  };
  plainSource = import ../nix/etc-nixos.nix {
    inherit lib pkgs;
    desktop = false;
  };

  isoOf =
    arguments:
    mkInstaller (
      {
        nixosConfiguration = host;
        answers.countdown = 3;
        minimumDiskBytes = 6 * 1024 * 1024 * 1024;
        modules = [
          instrumentation
          {
            # The backdoor's own empty password is enough.
            users.users.root.initialHashedPassword = lib.mkForce null;
            # The backdoor's module wants all that the kernel says on the screen that is looked at.
            boot.consoleLogLevel = lib.mkForce 3;
          }
        ];
      }
      // arguments
    );
  iso = isoOf { };

  # Answers reach the agent on a second CD, as on any hypervisor.
  answersVolume =
    answers:
    pkgs.runCommand "answers.iso"
      {
        nativeBuildInputs = [ pkgs.xorriso ];
        file = (pkgs.formats.toml { }).generate "nixvm.toml" answers;
      }
      ''
        mkdir volume
        cp $file volume/nixvm.toml
        xorriso -as mkisofs -quiet -V NIXVM -r -o $out volume
      '';
  powerOff = answersVolume { finish = "poweroff"; };

  # Python: the disk, the firmware's variables, QEMU's arguments, the agent's state over D-Bus.
  preamble = ''
    import os
    import subprocess

    WORK = os.environ.get("TMPDIR", "/tmp")
    DISK_FILE = f"{WORK}/disk.qcow2"
    UEFI = (
        "-drive if=pflash,format=raw,unit=0,readonly=on,file=${OVMF.firmware}"
        f" -drive if=pflash,format=raw,unit=1,file={WORK}/variables.fd"
    )
    DISK = (
        f"-drive if=none,id=disk,format=qcow2,cache=unsafe,file={DISK_FILE}"
        " -device virtio-blk-pci,drive=disk,serial=target,bootindex=1"
    )


    def cd(image, first):
        index = 0 if first else 2
        return (
            f"-drive if=none,id=cd,media=cdrom,readonly=on,file=$(echo {image}/iso/*.iso)"
            f" -device virtio-scsi-pci,id=scsi -device scsi-cd,drive=cd,bus=scsi.0,bootindex={index}"
        )


    def usb_stick(image):
        return (
            f"-drive if=none,id=stick,format=raw,readonly=on,file=$(echo {image}/iso/*.iso)"
            " -device qemu-xhci -device usb-storage,drive=stick,removable=on,bootindex=0"
            # For the volume with the answers.
            " -device virtio-scsi-pci,id=scsi"
        )


    def answers(volume):
        return (
            f"-drive if=none,id=answers,media=cdrom,readonly=on,file={volume}"
            " -device scsi-cd,drive=answers,bus=scsi.0"
        )


    def start(name, *arguments):
        qemu = "${pkgs.qemu_test}/bin/qemu-system-${qemuArch} -machine ${machine} -cpu max -smp 2 -m 2048 -nic none"
        machine = create_machine(" ".join([qemu, *arguments]), name=name)
        machine.start()
        return machine


    def fresh_variables():
        subprocess.run(
            ["${pkgs.coreutils}/bin/install", "-m", "644", "${OVMF.variables}", f"{WORK}/variables.fd"],
            check=True,
        )


    def state_is(machine, wanted):
        machine.wait_until_succeeds(
            "busctl get-property org.nixvm.Installer1 /org/nixvm/Installer1 org.nixvm.Installer1 State"
            f" | grep --fixed-strings '\"{wanted}\"'",
            timeout=600,
        )


    subprocess.run(
        ["${pkgs.qemu_test}/bin/qemu-img", "create", "-q", "-f", "qcow2", DISK_FILE, "12G"],
        check=True,
    )
    fresh_variables()

  '';
}
