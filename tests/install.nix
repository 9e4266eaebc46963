# A blank disk and no keyboard: installs, powers off, and the disk boots by itself.
#
# Evaluates; not run where it was written, which has no binary cache.
lab: ''
  installer = start("installer", UEFI, DISK, cd("${lab.iso}", False), answers("${lab.powerOff}"))
  installer.wait_for_unit("nixvm-agent.service")
  state_is(installer, "installing")
  installer.wait_for_shutdown()

  installed = start("installed", UEFI, DISK)
  installed.wait_for_unit("multi-user.target")
  installed.succeed("test $(hostname) = nixvm")
  installed.succeed("id ht | grep wheel")
  installed.succeed("test $(readlink -f /run/current-system) = ${lab.host.config.system.build.toplevel}")
  installed.succeed("findmnt --noheadings --output SOURCE,FSTYPE / | grep 'vda2 *ext4'")
  installed.succeed("test $(lsblk --noheadings --output LABEL /dev/vda1) = boot")
  installed.succeed("test $(lsblk --noheadings --output LABEL /dev/vda2) = nixos")
  installed.succeed("test $(lsblk --bytes --noheadings --output SIZE /dev/vda1) = $((512 * 1024 * 1024))")
  installed.succeed("git -C /etc/nixos status")
  installed.succeed("nix-store --verify --check-contents")
  installed.fail("systemctl list-units --failed --no-legend | grep .")
  installed.shutdown()
''
