# The ISO: nixpkgs' minimal installation medium with the agent on tty1.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  cfg = config.nixvm.installer;
  inherit (lib) mkForce mkOption types;
in
{
  imports = [
    (modulesPath + "/installer/cd-dvd/installation-cd-minimal.nix")
    ./live.nix
    ./grub-entry.nix
  ];

  options.nixvm.installer.imageName = mkOption {
    type = types.str;
    description = "The image's file name without .iso.";
  };

  config = {
    image.baseName = mkForce cfg.imageName;
    isoImage = {
      volumeID = cfg.volumeLabel;
      inherit (cfg) storeContents;
      contents = [
        {
          source = cfg.answersFile;
          target = "/nixvm/answers.toml";
        }
      ];
      # On BIOS the agent says what to change; an image that doesn't start says nothing.
      makeBiosBootable = pkgs.stdenv.hostPlatform.isx86;
      squashfsCompression = cfg.storeCompression;
      prependToMenuLabel = "Install ";
      appendToMenuLabel = "";
    };
    boot.loader.timeout = mkForce 3;
  };
}
