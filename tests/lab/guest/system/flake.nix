# The lab's stand-in for the project's flake: the same outputs and the same files beside it, but the
# system is Debian's binaries in a Nix store, so that it builds where no binary cache is in reach.
{
  description = "NixOS virtual machine (rehearsal)";

  # The lab writes the store path in, and the lock file.
  inputs.base = {
    url = "path:@base@";
    flake = false;
  };

  outputs =
    { base, ... }:
    let
      mkHost =
        {
          system,
          hostname,
          username,
          fullName ? "",
          keymap ? "us",
          locale ? "en_US.UTF-8",
          proxy ? null,
        }:
        {
          config.networking.hostName = hostname;
          config.users.users.${username} = { };
          config.console.keyMap = keymap;
          config.i18n.defaultLocale = locale;
          config.networking.proxy.default = proxy;
          config.system.build.toplevel = derivation {
            name = "nixos-system-${hostname}-lab";
            inherit
              system
              base
              hostname
              username
              fullName
              keymap
              locale
              proxy
              ;
            builder = "${base}/busybox";
            args = [
              "sh"
              "${base}/build-toplevel"
            ];
          };
        };
      host = import ./nix/host.nix;
    in
    {
      lib = { inherit mkHost; };
      nixosConfigurations = {
        nixvm-x86_64 = mkHost ({ system = "x86_64-linux"; } // host);
        nixvm-aarch64 = mkHost ({ system = "aarch64-linux"; } // host);
      };
    };
}
