# The ISO stays in the drive and the firmware prefers it, in the end with its variables lost: the
# installed system starts all the same, and nothing is installed again.
#
# Evaluates; not run where it was written, which has no binary cache.
lab: ''
  arguments = [UEFI, DISK, cd("${lab.iso}", True), answers("${lab.powerOff}")]
  installer = start("installer", *arguments)
  state_is(installer, "installing")
  installer.wait_for_shutdown()

  for name in ["with-variables", "without-variables"]:
      installed = start(name, *arguments)
      installed.wait_for_unit("multi-user.target")
      installed.succeed("test $(readlink -f /run/current-system) = ${lab.host.config.system.build.toplevel}")
      installed.succeed("test -e /boot/EFI/nixvm/installed")
      installed.fail("systemctl cat nixvm-agent.service")
      installed.shutdown()
      fresh_variables()
''
