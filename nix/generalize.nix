# The command that makes an installed machine a template for clones.
{ lib, pkgs, ... }:
{
  environment.systemPackages = [
    (pkgs.writeShellApplication {
      name = "nixvm-generalize";
      runtimeInputs = with pkgs; [
        coreutils
        findutils
        gnugrep
        systemd
      ];
      text = lib.readFile ./nixvm-generalize;
    })
  ];
}
