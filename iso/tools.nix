# The programs that the agent starts, and those that the programs it starts take from PATH. disko's script brings
# what it takes to make the file systems of a host's layout.
{ pkgs, nix }:
[
  nix
]
++ (with pkgs; [
  bash
  coreutils
  cryptsetup
  dosfstools
  e2fsprogs
  efibootmgr
  findutils
  gawk
  git
  gnugrep
  gnused
  gptfdisk
  # ip, which knows the addresses.
  iproute2
  jq
  # loadkeys, with the keymaps, and setfont.
  kbd
  kmod
  lvm2.bin
  mdadm
  # nmcli.
  networkmanager
  nixos-install-tools
  # ssh-keygen.
  openssh
  # vmware-rpctool, which asks VMware for answers.
  open-vm-tools-headless
  parted
  systemd
  util-linux
])
