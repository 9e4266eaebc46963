# An evaluation tree and this project → the flake's outputs, and what the tests ask of them.
#
# The tree stands in for the locked inputs where neither they nor a binary cache are in reach: a
# nixpkgs, a disko and a home-manager that can be evaluated, never built. It is older than the lock.
{ tree, project }:
let
  nixpkgsTree = tree + "/nixpkgs";
  # Enough of a flake's metadata for what the modules read of it.
  locked = folder: rec {
    _type = "flake";
    outPath = toString folder;
    rev = "0123456789012345678901234567890123456789";
    shortRev = "0123456";
    lastModified = 0;
    lastModifiedDate = "19700101000000";
    narHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    sourceInfo = {
      inherit
        outPath
        rev
        shortRev
        lastModified
        lastModifiedDate
        narHash
        ;
    };
  };
  flakeIn =
    folder: inputs:
    let
      self =
        locked folder
        // (import (folder + "/flake.nix")).outputs (inputs // { inherit self; })
        // {
          inherit inputs;
        };
    in
    self;

  lib = (import (nixpkgsTree + "/lib")).extend (
    final: _: {
      nixosSystem =
        arguments:
        import (nixpkgsTree + "/nixos/lib/eval-config.nix") (
          {
            lib = final;
            system = null;
          }
          // arguments
          // {
            modules = arguments.modules ++ lib.optional (!modulesAreSets) modulesAsSets;
          }
        );
    }
  );
  inputs = rec {
    nixpkgs = locked nixpkgsTree // {
      inherit lib;
      legacyPackages = lib.genAttrs (systems ++ [ "aarch64-darwin" ]) (
        system: import nixpkgsTree { inherit system; }
      );
    };
    disko = flakeIn (tree + "/disko") { inherit nixpkgs; };
    home-manager = flakeIn (tree + "/home-manager") { inherit nixpkgs; };
  };
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];

  # Lists of kernel modules became sets in 25.05: naming a module twice changes nothing since then.
  modulesAreSets = lib.hasInfix "attrNamesToTrue" (
    builtins.readFile (nixpkgsTree + "/nixos/modules/system/boot/kernel.nix")
  );
  modulesAsSets.options.boot =
    let
      asSet = lib.mkOption { apply = names: lib.naturalSort (lib.unique names); };
    in
    {
      kernelModules = asSet;
      initrd.availableKernelModules = asSet;
      initrd.kernelModules = asSet;
    };

  flake = flakeIn project inputs;

  drvPath = name: value: builtins.addErrorContext "while evaluating the output ${name}" value.drvPath;
  under =
    kind: system:
    lib.mapAttrs' (
      name: value:
      let
        path = "${kind}.${system}.${name}";
      in
      lib.nameValuePair path (drvPath path value)
    ) flake.${kind}.${system};
  machines = lib.mapAttrs (
    _: machine: machine.config.system.build.toplevel
  ) flake.nixosConfigurations;
  belongsTo = system: machine: machine.system == system;
in
rec {
  inherit flake lib project;

  # Every output of one system → its derivation; in two parts, for one takes 9 GB of memory.
  outputs = lib.genAttrs systems (system: {
    machines =
      lib.mapAttrs' (
        name: value:
        let
          path = "nixosConfigurations.${name}";
        in
        lib.nameValuePair path (drvPath path value)
      ) (lib.filterAttrs (_: belongsTo system) machines)
      // under "packages" system
      // under "devShells" system
      // {
        "formatter.${system}" = flake.formatter.${system}.drvPath;
      }
      // lib.mapAttrs' (
        name: app: lib.nameValuePair "apps.${system}.${name}" app.program
      ) flake.apps.${system};
    checks = under "checks" system;
  });
  agentTestFlags = flake.checks.x86_64-linux.agent.cargoTestFlags;
  darwin = under "packages" "aarch64-darwin";
  names = lib.mapAttrs (_: lib.attrNames) {
    inherit (flake) lib nixosModules templates;
  };

  # The target as one module of another system, whose package set was made outside it.
  targetModule =
    let
      inherit
        (lib.nixosSystem {
          modules = [
            flake.nixosModules.target
            {
              nixpkgs.pkgs = inputs.nixpkgs.legacyPackages.aarch64-linux;
              nixvm.host = {
                hostName = "web1";
                username = "ada";
                fullName = "Ada Lovelace";
                diskDevice = "/dev/sda";
              };
            }
          ];
        })
        config
        ;
    in
    {
      toplevel = config.system.build.toplevel.drvPath;
      hostName = config.networking.hostName;
      inherit (config.users.users.ada) description;
      disk = config.disko.devices.disk.main.device;
      desktop = config.nixvm.desktop.enable;
      unfree = config.nixpkgs.config.allowUnfree or false;
    };

  # The identity of a host without files of its own, and of one with arguments, as its modules see it.
  identities =
    let
      of =
        arguments:
        (flake.lib.mkHost (
          {
            system = "x86_64-linux";
            modules = [
              (
                { hostname, username, ... }:
                {
                  options.seen = lib.mkOption { default = "${username}@${hostname}"; };
                }
              )
            ];
          }
          // arguments
        )).config;
      show = config: {
        inherit (config) seen;
        inherit (config.nixvm) host;
        desktop = config.nixvm.desktop.enable;
        unfree = config.nixpkgs.config.allowUnfree or false;
      };
    in
    {
      plain = show (of { });
      named = show (of {
        hostname = "web1";
        username = "ada";
        desktop = false;
      });
    };
  # The machines that are installed, not the live ones.
  targets = lib.filterAttrs (name: _: lib.hasPrefix "nixvm-" name) flake.nixosConfigurations;
  kernelParams = lib.mapAttrs (_: machine: machine.config.boot.kernelParams) targets;

  # How the root of a machine grows with its disk; and of one that shall not, and of other layouts.
  growth =
    let
      of =
        { config, ... }:
        {
          partition = config.disko.devices.disk.main.content.partitions.root.type;
          definitions = config.systemd.repart.partitions;
          units = lib.filter (lib.hasInfix "repart") config.systemd.additionalUpstreamSystemUnits;
          condition = config.systemd.services.systemd-repart.serviceConfig.ExecCondition or null;
          wants = config.systemd.services.systemd-repart.wants or [ ];
          options = config.fileSystems."/".options or null;
          rules = config.services.udev.extraRules;
          unmet = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
        };
      machine =
        module:
        flake.lib.mkHost {
          system = "x86_64-linux";
          desktop = false;
          modules = [ module ];
        };
      host = module: of (machine module);
      found = machine {
        disko.enableConfig = false;
        boot.initrd.systemd.root = "gpt-auto";
      };
      laidOut = root: {
        nixvm.grow.enable = true;
        disko.devices.disk.main.content.partitions = {
          inherit root;
        };
      };
      typed = type: laidOut { type = lib.mkForce type; };
    in
    lib.mapAttrs (_: of) (lib.filterAttrs (name: _: lib.hasInfix "minimal" name) targets)
    // {
      off = host { nixvm.grow.enable = false; };
      generic = host (typed "8300");
      unknown = host (typed "8E00");
      found = of found // {
        toplevel = drvPath "found" found.config.system.build.toplevel;
      };
      fixed = host { fileSystems."/".autoResize = false; };
      part = host (laidOut {
        size = lib.mkForce "50G";
      });
      f2fs = host (laidOut {
        content.format = lib.mkForce "f2fs";
      });
    };

  # What a host with other paths runs to become a template.
  generalize =
    let
      inherit
        (flake.lib.mkHost {
          system = "x86_64-linux";
          desktop = false;
          modules = [
            {
              boot.loader.efi.efiSysMountPoint = "/efi";
              services.openssh.hostKeys = [
                {
                  type = "ed25519";
                  path = "/keys/a key";
                }
              ];
            }
          ];
        })
        config
        ;
      command = lib.findFirst (
        package: lib.getName package == "nixvm-generalize"
      ) null config.environment.systemPackages;
      # Behind what writeShellApplication puts before it.
      text = lib.splitString "\n\nset -- " command.text;
    in
    "set -- ${lib.last text}";

  # What each gives its account: packages of the system by name, units, and the account itself.
  offers = lib.mapAttrs (
    _:
    { config, ... }:
    let
      account = config.users.users.${config.nixvm.host.username};
    in
    {
      packages = map lib.getName config.environment.systemPackages;
      units = lib.attrNames (lib.filterAttrs (_: unit: unit.enable) config.systemd.units);
      sessions = map lib.getName config.services.displayManager.sessionPackages;
      inherit (account) extraGroups;
      shell = toString account.shell;
    }
  ) targets;

  # The carried desktop, and what it is once installed on each kind of virtual machine → toplevels.
  installed = lib.genAttrs systems (
    system:
    let
      architecture = lib.removeSuffix "-linux" system;
      on =
        folder:
        lib.mapAttrs (
          name: _:
          drvPath "installed.${system}.${name}"
            (flake.lib.mkHost {
              inherit system;
              hostDirectory = folder + "/${architecture}/${name}";
            }).config.system.build.toplevel
        ) (builtins.readDir (folder + "/${architecture}"));
    in
    {
      carried = drvPath "carried" machines."nixvm-${architecture}";
      # Their generated files name nothing that the carried system lacks.
      same = on ./hosts;
      # Theirs do.
      different = on ./different-hosts;
    }
  );

  # A folder that is a machine's /etc/nixos → the toplevels it has.
  etcNixos =
    folder:
    lib.mapAttrs (
      name: machine: drvPath "etcNixos.${name}" machine.config.system.build.toplevel
    ) (flakeIn folder inputs).nixosConfigurations;

  # The carried system, the same with other arguments of mkHost, and what the image carries for
  # building that.
  rebuilt =
    system: desktop: arguments:
    let
      machine = flake.lib.mkHost { inherit system desktop; };
    in
    {
      carried = drvPath "carried" machine.config.system.build.toplevel;
      rebuilt =
        drvPath "rebuilt"
          (flake.lib.mkHost ({ inherit system desktop; } // arguments)).config.system.build.toplevel;
      kit = map (input: input.drvPath) (
        import (project + "/nix/rebuild-kit.nix") {
          inherit lib;
          nixosConfiguration = machine;
        }
      );
    };

  # Where a desktop with these arguments of mkHost has its keyboard, language and time zone.
  place =
    arguments:
    let
      inherit (flake.lib.mkHost ({ system = "x86_64-linux"; } // arguments))
        config
        ;
      keymapIn = file: lib.removePrefix "KEYMAP=" (lib.head (lib.splitString "\n" file.text));
    in
    {
      console = keymapIn config.environment.etc."vconsole.conf".source;
      initrd = keymapIn config.boot.initrd.systemd.contents."/etc/vconsole.conf".source;
      inherit (config.services.xserver.xkb) layout variant options;
      x11 = config.environment.etc."X11/xorg.conf.d/00-keyboard.conf".text;
      greeter = config.services.displayManager.sddm.wayland.compositorCommand or null;
      locale = config.i18n.defaultLocale;
      inherit (config.time) timeZone;
      localtime = config.environment.etc.localtime.source or null;
    };

  # Where a desktop with these arguments of mkHost has its proxy.
  proxied =
    arguments:
    let
      inherit (flake.lib.mkHost ({ system = "x86_64-linux"; } // arguments))
        config
        ;
    in
    {
      inherit (config.networking.proxy) default;
      nixDaemon = config.systemd.services.nix-daemon.environment;
      docker = config.systemd.services.docker.environment;
      sessions = config.environment.sessionVariables;
    };

  # mkInstaller for a host with one more module → the image, its derivation, and its manifest.
  installerOf =
    module: arguments:
    flake.lib.mkInstaller (
      {
        nixosConfiguration = flake.lib.mkHost {
          system = "x86_64-linux";
          hostname = "web1";
          desktop = false;
          modules = [ module ];
        };
      }
      // arguments
    );
  imageOf = module: arguments: (installerOf module arguments).drvPath;
  manifestOf =
    module: arguments:
    (installerOf module arguments).nixosConfiguration.config.environment.etc."nixvm/manifest.json".text;

  # Hosts with other layouts than nixvm's own: what is run on the disk, what the agent reads, and what they mount.
  layouts = lib.mapAttrs' (
    file: _:
    let
      image = installerOf (./layouts + "/${file}") { };
      live = image.nixosConfiguration.config;
      host = flake.lib.mkHost {
        system = "x86_64-linux";
        desktop = false;
        modules = [ (./layouts + "/${file}") ];
      };
    in
    lib.nameValuePair (lib.removeSuffix ".nix" file) {
      inherit (image) drvPath;
      manifest = live.environment.etc."nixvm/manifest.json".text;
      diskoScript = live.nixvm.installer.diskoScript.content;
      mounts = lib.mapAttrs (_: one: {
        inherit (one) device fsType options;
      }) host.config.fileSystems;
      swaps = map (one: one.device) host.config.swapDevices;
      unlocked = lib.mapAttrs (_: one: {
        inherit (one) device keyFile;
      }) host.config.boot.initrd.luks.devices;
      growth = host.config.systemd.repart.partitions;
    }
  ) (builtins.readDir ./layouts);

  # The template's own image, and what its store holds beside the live system.
  template =
    let
      image = (flakeIn (project + "/nix/template") { nixvm = flake; }).packages.x86_64-linux.iso;
    in
    {
      inherit (image) drvPath;
      store = map toString image.nixosConfiguration.config.isoImage.storeContents;
    };

  # Answers → the text of the file that the image reserves for them.
  answersArea = answers: (import (project + "/iso/answers-area.nix") { inherit lib; } answers).area;

  image = architecture: flake.nixosConfigurations."installer-${architecture}".config.nixvm.installer;

  # The minimal live system as it is booted from the network, beside that of the ISO.
  netboot = lib.genAttrs systems (
    system:
    let
      iso = flake.packages.${system}.iso-minimal;
      inherit (iso.netboot.nixosConfiguration) config;
      of = config: {
        manifest = config.environment.etc."nixvm/manifest.json".text;
        unit = config.systemd.units."nixvm-agent.service".text;
        store = map toString config.nixvm.installer.storeContents;
        mounts = lib.mapAttrs (_: mount: mount.fsType) (
          lib.filterAttrs (path: _: lib.hasPrefix "/nix" path) config.fileSystems
        );
        lvm = config.environment.etc."lvm/lvm.conf".text;
        arrays = config.boot.swraid.enable;
        sshd = config.systemd.services.sshd.wantedBy;
      };
    in
    {
      iso = of iso.nixosConfiguration.config;
      netboot = of config;
      files = lib.attrNames iso.netboot.entries;
      script = config.system.build.netbootIpxeScript.text;
      init = "${config.system.build.toplevel}/init";
      inherit (config.boot) kernelParams;
      storeContents = map toString config.netboot.storeContents;
      tmpfiles = config.systemd.tmpfiles.rules;
      answersFile = toString config.nixvm.installer.answersFile;
      kexec = iso.kexec.entries;
    }
  );

  # What the live system runs and reads.
  live = lib.genAttrs systems (
    system:
    let
      inherit (flake.nixosConfigurations."installer-${lib.removeSuffix "-linux" system}") config;
    in
    {
      unit = config.systemd.units."nixvm-agent.service".text;
      failedUnit = config.systemd.units."nixvm-agent-failed.service".text;
      wantedBy = config.systemd.units."nixvm-agent.service".wantedBy;
      login = config.systemd.units."live-login.service".text;
      issue = config.environment.etc.issue.source.text or config.services.getty.helpLine;
      manifest = config.environment.etc."nixvm/manifest.json".text;
      diskoScript = config.nixvm.installer.diskoScript.content;
      toplevel = config.nixvm.installer.toplevel.outPath;
      inherit (config.isoImage) volumeID;
      imageName = config.image.baseName;
      sshd = config.systemd.services.sshd.wantedBy;
      kernelParams = config.boot.kernelParams;
      # What would put something together from what is found on the disks.
      assembling = {
        arrays = config.boot.swraid.enable;
        caches = config.boot.bcache.enable;
        pools = config.boot.supportedFilesystems.zfs or false;
        volumesInInitrd = config.boot.initrd.services.lvm.enable;
      };
      lvmConfiguration = config.environment.etc."lvm/lvm.conf".text;
      busPackages = map (package: package.name) config.services.dbus.packages;
      gettys = lib.mapAttrs (_: unit: unit.enable) {
        inherit (config.systemd.services) "getty@tty1" "autovt@tty1";
      };
    }
  );
}
