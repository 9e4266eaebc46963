# An address in the answers: the live system has it, and so has the installed one, which is a copy.
#
# Evaluates; not run where it was written, which has no binary cache.
lab:
let
  addressed = lab.answersVolume {
    finish = "poweroff";
    network.interface = [
      {
        mac = "52:54:00:12:34:56";
        address = "10.0.2.77/24";
        gateway = "10.0.2.2";
        dns = "10.0.2.3";
      }
    ];
  };
in
''
  NIC = "-netdev user,id=net0,restrict=on -device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56"


  def has_address(machine):
      machine.wait_until_succeeds("ip -4 address show scope global | grep '10.0.2.77/24'", timeout=600)
      machine.fail("ip -4 address show scope global | grep dynamic")
      machine.succeed("ip -4 route show default | grep 'via 10.0.2.2 '")
      machine.succeed("grep 10.0.2.3 /etc/resolv.conf")


  installer = start("installer", UEFI, DISK, NIC, cd("${lab.iso}", False), answers("${addressed}"))
  has_address(installer)
  installer.wait_for_shutdown()

  installed = start("installed", UEFI, DISK, NIC)
  has_address(installed)
  installed.succeed("test $(readlink -f /run/current-system) = ${lab.host.config.system.build.toplevel}")
  installed.succeed("test $(stat -c %a /etc/NetworkManager/system-connections) = 700")
  installed.shutdown()
''
