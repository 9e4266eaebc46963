# No disk at first: the agent waits, and starts when one is plugged in.
#
# Evaluates; not run where it was written, which has no binary cache.
lab: ''
  installer = start(
      "installer",
      UEFI,
      "-device pcie-root-port,id=port,chassis=1",
      cd("${lab.iso}", True),
      answers("${lab.powerOff}"),
  )
  state_is(installer, "waiting-for-disk")
  installer.send_monitor_command(f"drive_add 0 if=none,id=disk,format=qcow2,file={DISK_FILE}")
  installer.send_monitor_command("device_add virtio-blk-pci,drive=disk,serial=target,bus=port")
  state_is(installer, "installing")
  installer.wait_for_shutdown()

  installed = start("installed", UEFI, DISK)
  installed.wait_for_unit("multi-user.target")
  installed.shutdown()
''
