# Plasma 6, sound, and what a workstation has.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  # 1Password is unfree: what turns the desktop on has to allow it, as mkHost does, or turn it off.
  options.nixvm.desktop.enable = lib.mkEnableOption "the Plasma desktop";

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
    users.users.${config.nixvm.host.username}.extraGroups = [ "docker" ];

    programs = {
      firefox.enable = true;
      _1password.enable = lib.mkDefault true;
      _1password-gui = {
        enable = lib.mkDefault true;
        # By number, so that another user name is not another package: it is unfree, and no cache
        # has it.
        polkitPolicyOwners = [ (toString config.users.users.${config.nixvm.host.username}.uid) ];
      };
    };
    fonts.packages = with pkgs; [
      noto-fonts
      noto-fonts-cjk-sans
    ];
  };
}
