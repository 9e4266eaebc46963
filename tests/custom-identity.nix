# Other names, keymap, locale and proxy: the flake is built on the ISO, offline, and the system has them. The
# time zone is a link beside it.
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
    keymap = "de-latin1";
    locale = "de_DE.UTF-8";
    timezone = "Europe/Berlin";
    proxy = "http://10.0.2.2:3128";
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
  assert "KEYMAP=de-latin1\n" in reader.succeed(inside + "cat /etc/vconsole.conf")
  assert "LANG=de_DE.UTF-8\n" in reader.succeed(inside + "cat /etc/locale.conf")
  unit = reader.succeed(inside + "cat /etc/systemd/system/nix-daemon.service.d/overrides.conf")
  assert "https_proxy=http://10.0.2.2:3128" in unit, unit
  system = "/nix/var/nix/profiles/system/sw"
  german = f"env LANG=de_DE.UTF-8 LOCALE_ARCHIVE={system}/lib/locale/locale-archive "
  month = reader.succeed(inside + german + f"{system}/bin/date --date=2026-03-01 +%B")
  assert month.strip() == "März", month
  zone = reader.succeed(inside + f"env TZDIR=/etc/zoneinfo {system}/bin/date --date=2026-07-01 +%Z")
  assert zone.strip() == "CEST", zone
  reader.succeed("grep '^root:!' /mnt/etc/shadow")
  reader.shutdown()
''
