# The ISO written to a USB stick: it starts, finds its own store, never offers the stick as a target, and
# installs; then the disk boots with the stick still plugged in and first in the firmware's order.
#
# Evaluates; not run where it was written, which has no binary cache.
lab: ''
  arguments = [UEFI, DISK, usb_stick("${lab.iso}"), answers("${lab.powerOff}")]
  installer = start("installer", *arguments)
  installer.wait_for_unit("nixvm-agent.service")
  installer.wait_until_succeeds("nixvm-agent disks --json | grep boot-medium", timeout=120)
  state_is(installer, "installing")
  installer.wait_for_shutdown()

  installed = start("installed", *arguments)
  installed.wait_for_unit("multi-user.target")
  installed.succeed("test $(readlink -f /run/current-system) = ${lab.host.config.system.build.toplevel}")
  installed.fail("systemctl cat nixvm-agent.service")
  installed.shutdown()
''
