# systemd-boot on the ESP that disko-config.nix makes.
{ pkgs, ... }:
{
  boot = {
    initrd.systemd.enable = true;
    loader = {
      systemd-boot = {
        enable = true;
        # A kernel and an initrd take about 60 MB, and the ESP has 512.
        configurationLimit = 5;
        editor = false;
      };
      # The installer writes the firmware's variables itself, and many virtual machines lose them.
      # bootctl puts the loader at the removable path in any case, where firmware looks unasked.
      efi.canTouchEfiVariables = false;
      timeout = 3;
    };
    # The last console is where the kernel and the boot say what goes wrong; the serial one has a
    # login where the machine has such a port.
    kernelParams = [
      (if pkgs.stdenv.hostPlatform.isx86 then "console=ttyS0,115200" else "console=ttyAMA0,115200")
      "console=tty0"
    ];
  };
}
