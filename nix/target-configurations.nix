# mkHost → the machines that the ISOs carry, and after an install the machine itself under its own name.
{ lib, mkHost }:
let
  of =
    prefix: desktop:
    lib.listToAttrs (
      map
        (
          architecture:
          lib.nameValuePair "${prefix}-${architecture}" (mkHost {
            system = "${architecture}-linux";
            inherit desktop;
          })
        )
        [
          "x86_64"
          "aarch64"
        ]
    );
in
{
  carried = of "nixvm" true // of "nixvm-minimal" false;

  # nixos-rebuild looks for the host's name when it is given none.
  installed = lib.optionalAttrs (builtins.pathExists ./hardware-configuration.nix) {
    ${(import ./host.nix).hostname} = mkHost { desktop = import ./profile.nix == "desktop"; };
  };
}
