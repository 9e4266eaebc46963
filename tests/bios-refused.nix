# BIOS firmware: the agent says where to turn UEFI on, and the disk stays as it was.
#
# Evaluates; not run where it was written, which has no binary cache.
lab: ''
  with open(DISK_FILE, "rb") as file:
      before = file.read()
  machine = start("bios", DISK, cd("${lab.iso}", True))
  state_is(machine, "refused")
  machine.wait_until_succeeds("grep --fixed-strings 'Enable EFI/UEFI in VM settings' /dev/vcs1")
  machine.shutdown()
  with open(DISK_FILE, "rb") as file:
      assert file.read() == before, "the disk was written to"
''
