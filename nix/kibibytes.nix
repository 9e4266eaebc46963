# The end of a partition, as sgdisk has it → its size in KiB; null if that does not follow from its start, or is in
# sectors, whose size is unknown.
{ lib }:
end:
let
  parts = builtins.match "\\+([0-9]+)([KMGTP])(iB)?" end;
  powers = {
    K = 1;
    M = 1024;
    G = 1024 * powers.M;
    T = 1024 * powers.G;
    P = 1024 * powers.T;
  };
in
lib.mapNullable (parts: lib.toInt (lib.head parts) * powers.${lib.elemAt parts 1}) parts
