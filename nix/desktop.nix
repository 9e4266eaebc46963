# Plasma 6, sound, and what a workstation has.
{
  username,
  config,
  lib,
  pkgs,
  ...
}:
{
  options.nixvm.desktop.enable = lib.mkEnableOption "the Plasma desktop" // {
    default = true;
  };

  config = lib.mkIf config.nixvm.desktop.enable {
    services = {
      desktopManager.plasma6.enable = true;
      displayManager.sddm = {
        enable = true;
        wayland.enable = true;
      };
      pipewire = {
        enable = true;
        alsa.enable = true;
        pulse.enable = true;
      };
      tailscale.enable = true;
    };
    security.rtkit.enable = true;

    virtualisation.docker.enable = true;
    users.users.${username}.extraGroups = [ "docker" ];

    programs = {
      firefox.enable = true;
      _1password.enable = true;
      _1password-gui = {
        enable = true;
        # By number, so that another user name is not another package: it is unfree, and nobody
        # builds it for us.
        polkitPolicyOwners = [ (toString config.users.users.${username}.uid) ];
      };
    };
    # 1Password.
    nixpkgs.config.allowUnfree = true;

    fonts.packages = with pkgs; [
      noto-fonts
      noto-fonts-cjk-sans
    ];
  };
}
