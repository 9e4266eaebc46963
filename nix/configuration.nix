# What every installed machine has, desktop or not.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.nixvm) host;
in
{
  networking = {
    inherit (host) hostName;
    networkmanager.enable = true;
    # NixOS sets the variables of nix-daemon, of Docker's daemon and of every session by it, with
    # no_proxy for 127.0.0.1 and localhost.
    proxy.default = lib.mkDefault host.proxy;
  };

  # No password here: the installer sets it on the machine, where it stays. Root has none and is locked.
  users.users.${host.username} = {
    isNormalUser = true;
    # The first that NixOS gives out, fixed for modules that name the account by number.
    uid = 1000;
    description = host.fullName;
    extraGroups = [
      "wheel"
      "networkmanager"
    ];
    # A path: as a package it would put the account's place in the alphabet into the system.
    shell = "/run/current-system/sw/bin/zsh";
  };

  home-manager = {
    useGlobalPkgs = true;
    useUserPackages = true;
    users.${host.username} = import ./home.nix;
  };

  programs = {
    git.enable = true;
    zsh.enable = true;
  };

  environment.systemPackages = with pkgs; [
    curl
    fd
    file
    htop
    jq
    pciutils
    ripgrep
    tmux
    tree
    unzip
    usbutils
    vim
    wget
  ];

  services = {
    # Keys only; the installer puts those of the answers into the account.
    openssh = {
      enable = true;
      settings = {
        PasswordAuthentication = false;
        KbdInteractiveAuthentication = false;
        PermitRootLogin = "no";
      };
    };
    fstrim.enable = true;
  };

  zramSwap.enable = true;

  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];

  system.stateVersion = "26.05";
}
