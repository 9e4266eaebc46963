# Another host name and user name: the flake is built on the ISO, offline, and the system has them.
#
# Evaluates; not run where it was written, which has no binary cache.
lab:
let
  iso = lab.isoOf {
    nixosConfiguration = lab.plainHost;
    flakeAttribute = "nixvm-minimal-${lab.lib.removeSuffix "-linux" lab.system}";
    flake = lab.plainSource;
  };
  renamed = lab.answersVolume {
    hostname = "web1";
    username = "ada";
    finish = "poweroff";
  };
in
''
  installer = start("installer", UEFI, DISK, cd("${iso}", True), answers("${renamed}"), "-m 6144")
  state_is(installer, "installing")
  installer.wait_for_shutdown()

  installed = start("installed", UEFI, DISK)
  installed.wait_for_console_text("web1 login:")
  installed.crash()

  # The system has no backdoor: the live one reads its disk. It comes late, for the boot menu would
  # start it, and to an agent that is stopped.
  reader = start("reader", UEFI, cd("${iso}", True), "-device pcie-root-port,id=port,chassis=1")
  state_is(reader, "waiting-for-disk")
  reader.succeed("systemctl stop nixvm-agent.service")
  reader.send_monitor_command(f"drive_add 0 if=none,id=disk,format=qcow2,file={DISK_FILE}")
  reader.send_monitor_command("device_add virtio-blk-pci,drive=disk,serial=target,bus=port")
  reader.wait_until_succeeds("test -b /dev/vda2")
  reader.succeed("mount -o ro /dev/vda2 /mnt")
  inside = "chroot /mnt /nix/var/nix/profiles/system/sw/bin/"
  assert reader.succeed(inside + "cat /etc/hostname").strip() == "web1"
  reader.succeed(inside + "id ada")
  reader.fail(inside + "id ht")
  reader.succeed("grep '^root:!' /mnt/etc/shadow")
  reader.shutdown()
''
