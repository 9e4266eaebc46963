# The agent as a service of a live NixOS: the unit, the bus policy, the tools and the manifest.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.nixvm.installer;
  inherit (lib) mkOption types;
  required = type: description: mkOption { inherit type description; };
  optional =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };

  tools = import ./tools.nix {
    inherit pkgs;
    nix = config.nix.package;
  };
  program = "/usr/bin/nixvm-agent";
  unit = builtins.readFile ./nixvm-agent.service;

  # The unit's own conditions, each negated: either it starts, or the login in its place does.
  installerIsOff = map (condition: "|${condition}") (
    lib.concatLists (lib.filter lib.isList (builtins.split "ConditionKernelCommandLine=!([^\n]+)" unit))
  );
in
{
  options.nixvm.installer = {
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../nix/agent.nix { };
      defaultText = "nixvm's agent";
      description = "The agent.";
    };
    buildId = required types.str "Names this build in receipts, logs and on the screen.";
    flake = required types.str "Sources that become /etc/nixos on the target.";
    flakeAttribute = required types.str "The target's attribute under the flake's nixosConfigurations.";
    hostDirectory = required types.str "Folder of the flake that the agent writes answers into.";
    defaults = {
      hostName = required types.str "Host name of the carried system.";
      username = required types.str "Account of the carried system that gets the password and the keys.";
      fullName = mkOption {
        type = types.str;
        default = "";
        description = "Full name of that account's owner.";
      };
      keymap = optional types.str "Keymap of the carried system, by kbd's names; null if the flake does not take one from host.nix.";
      locale = optional types.str "Locale of the carried system, by glibc's names; null if the flake does not take one from host.nix.";
      timeZone = optional types.str "Time zone that is part of the carried system; null leaves /etc/localtime to the machine.";
      proxy = optional types.str "Proxy of the carried system; null if it has none, or if the flake does not take one from host.nix.";
      countdown = mkOption {
        type = types.ints.between 0 3600;
        default = 10;
        description = "Seconds between showing the plan and the first write, unless an answer says otherwise.";
      };
    };
    toplevel = optional types.package "The system to install, carried built; null builds the flake at every install.";
    storeMount = optional types.str "Where the squashfs image is mounted that holds the closure of `toplevel`.";
    diskoScript = required types.package "Partitions, formats and mounts /dev/nixvm-target at /mnt.";
    layout = required (types.listOf types.attrs) "The partitions that the script makes, in order, as the manifest has them.";
    minimumDiskBytes = required types.ints.positive "A smaller disk is not considered.";
    minimumMemoryBytes = required types.ints.positive "With less memory the install is refused.";
    minimumBuildMemoryBytes = mkOption {
      type = types.ints.unsigned;
      # Evaluating the desktop took 1.07 GB, beside a live system whose files are in memory.
      default = 2 * 1000 * 1000 * 1000;
      description = "With less memory an install is refused that has to build the flake.";
    };
    nixosRelease = optional types.str "NixOS's release that is installed, for the screen.";
    edition = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "Plasma 6";
      description = "What is installed beside NixOS, in a word or two, for the screen.";
    };
    networkManager = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the system has NetworkManager, which reads the addresses that answers give.";
    };
    firstBoot = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the system has the unit that runs a script which answers give, once.";
    };
    sshHostKey = optional types.str "Where the system's sshd has its Ed25519 host key; null if it has none.";
    graphicalLogin = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the system has a graphical login screen, which can't ask for a new password.";
    };
  };

  config = {
    environment = {
      etc."nixvm/manifest.json".text = pkgs.callPackage ./manifest.nix { } cfg;
      # For the same commands by hand.
      systemPackages = [ cfg.package ] ++ tools;
    };

    # The text that the rehearsal lab installs, but for the store paths.
    systemd.units = {
      "nixvm-agent.service" = {
        wantedBy = [ "multi-user.target" ];
        text =
          assert lib.hasInfix "\nExecStart=${program} run\n" unit;
          builtins.replaceStrings
            [ "\nExecStart=${program} run\n" ]
            [ "\nEnvironment=PATH=${lib.makeBinPath tools}\nExecStart=${lib.getExe cfg.package} run\n" ]
            unit;
      };
      "nixvm-agent-failed.service".text =
        builtins.replaceStrings [ "=/usr/bin/cat" ] [ "=${pkgs.coreutils}/bin/cat" ]
          (builtins.readFile ./nixvm-agent-failed.service);
    };
    services.dbus.packages = [ cfg.package ];

    # getty.target asks for tty1 by both names; the other consoles keep theirs.
    systemd.services = {
      "getty@tty1".enable = false;
      "autovt@tty1".enable = false;
      # tty1 has no other login when the unit's conditions keep the installer off.
      live-login = {
        description = "Login on tty1 of a live system whose installer is off";
        wantedBy = [ "multi-user.target" ];
        after = [ "systemd-user-sessions.service" ];
        unitConfig.ConditionKernelCommandLine = installerIsOff;
        serviceConfig = {
          Type = "idle";
          ExecStart = "${pkgs.util-linux}/bin/agetty --autologin nixos --login-program ${config.services.getty.loginProgram} --noclear tty1 linux";
          Restart = "always";
          StandardInput = "tty";
          StandardOutput = "tty";
          TTYPath = "/dev/tty1";
          TTYReset = true;
          TTYVHangup = true;
          UtmpIdentifier = "tty1";
          UtmpMode = "user";
        };
      };
    };

    nix.settings.experimental-features = [
      "nix-command"
      "flakes"
    ];
  };
}
