# The virtual machines of `nix flake check`: one scenario a file, each with the systems it is for and
# the minutes it may take.
arguments@{ pkgs, ... }:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv.hostPlatform) system;

  scenarios = {
    install = {
      minutes = 30;
    };
    bios-refused = {
      minutes = 10;
      # aarch64 has no BIOS.
      systems = [ "x86_64-linux" ];
    };
    hot-plugged-disk = {
      minutes = 30;
    };
    iso-left-attached = {
      minutes = 30;
    };
    usb-stick = {
      minutes = 30;
    };
    custom-identity = {
      minutes = 60;
    };
    static-address = {
      minutes = 30;
    };
  };

  lab = import ./machines.nix arguments;
  applies = _: scenario: lib.elem system (scenario.systems or [ system ]);
in
lib.mapAttrs' (
  name: scenario:
  lib.nameValuePair "vm-${name}" (
    pkgs.testers.runNixOSTest {
      inherit name;
      nodes = { };
      globalTimeout = scenario.minutes * 60;
      testScript = lab.preamble + import (./. + "/${name}.nix") lab;
    }
  )
) (lib.filterAttrs applies scenarios)
