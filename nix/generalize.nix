# The command that makes an installed machine a template for clones, for this configuration's paths.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  hostKeys = map (key: key.path) config.services.openssh.hostKeys;
  paths = [
    "--esp"
    config.boot.loader.efi.efiSysMountPoint
  ]
  ++ lib.concatMap (path: [
    "--host-key"
    path
  ]) hostKeys;
in
{
  environment.systemPackages = [
    (pkgs.writeShellApplication {
      name = "nixvm-generalize";
      runtimeInputs = with pkgs; [
        coreutils
        findutils
        gnugrep
        systemd
        util-linux
      ];
      text = ''
        set -- ${lib.escapeShellArgs paths} "$@"
      ''
      + lib.readFile ./nixvm-generalize;
    })
  ];
}
