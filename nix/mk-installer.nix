# A nixosConfiguration → an ISO that installs it on the disk of a blank virtual machine, and the same to
# be booted from the network or by kexec.
{ inputs, version }:
{
  # The machine to install, carried built. What it has to be like is in requirements.nix.
  nixosConfiguration,
  # The sources that become /etc/nixos, usually `self`. null: the machine gets none.
  flake ? null,
  # The machine's attribute under the flake's nixosConfigurations.
  flakeAttribute ? nixosConfiguration.config.networking.hostName,
  # The flake's folder for host.nix, disk-device.nix and hardware-configuration.nix. mkHost reads
  # them with the same `hostDirectory`; a flake that doesn't can't follow answers that rename things.
  hostDirectory ? "nix",
  # The account that gets the password and the SSH keys. null: the only one that can log in.
  username ? null,
  # Answers that the image carries, as in an answers file: { finish = "poweroff"; disk.serial = "..."; }
  answers ? { },
  # Carry what building the machine takes with another host, user or full name, keymap or locale, for machines
  # without network.
  rebuildable ? flake != null,
  # Smaller disks are not considered, and with less memory nothing is installed. null: 8 GiB beside the partitions
  # that have a size of their own, and the swap files in one that has none.
  minimumDiskBytes ? null,
  minimumMemoryBytes ? 900 * 1000 * 1000,
  # Keys that may log in to the live system as root while it installs, beside those in the answers.
  liveAuthorizedKeys ? [ ],
  # The ISO's file name without .iso, and its volume label of at most 32 characters.
  imageName ? "${flakeAttribute}-installer",
  volumeLabel ? builtins.substring 0 32 "NIXVM-${flakeAttribute}",
  # More of the live system.
  modules ? [ ],
}:
let
  inherit (inputs.nixpkgs) lib;
  inherit (nixosConfiguration) config pkgs;

  account = import ./account.nix { inherit lib; } {
    inherit username;
    inherit (config.users) users;
    host = flakeAttribute;
  };

  sources =
    if flake == null then
      pkgs.writeTextDir "flake.nix" ''
        {
          outputs = _: throw "this machine was installed without its sources: rebuild it from the flake that made the installer";
        }
      ''
    else if flake ? nixosConfigurations && !(flake.nixosConfigurations ? ${flakeAttribute}) then
      throw "mkInstaller: the flake has no nixosConfigurations.${flakeAttribute}: pass `flakeAttribute`"
    else
      flake;

  # The flake's inputs and theirs in turn: without network, Nix finds them in the image's store by
  # their hash.
  inputsOf =
    flake:
    lib.mapAttrsToList (_: input: {
      key = "${input.sourceInfo or input}";
      inherit input;
    }) (flake.inputs or { });
  inputSources = map (entry: entry.key) (
    lib.genericClosure {
      startSet = inputsOf flake;
      operator = entry: inputsOf entry.input;
    }
  );

  partitions = config.disko.devices.disk.main.content.partitions or { };
  bytes =
    size:
    let
      kibibytes = import ./kibibytes.nix { inherit lib; } size;
    in
    if kibibytes == null then 0 else kibibytes * 1024;
  # Swap files of btrfs are made in a partition that may have no size of its own.
  swapFilesOf =
    content:
    if content == null then
      [ ]
    else if content.type == "luks" then
      swapFilesOf content.content
    else
      lib.concatMap (one: lib.attrValues (one.swap or { })) (
        [ content ] ++ lib.attrValues (content.subvolumes or { })
      );
  sizedBytes = lib.foldl' builtins.add 0 (
    lib.concatMap (
      partition:
      let
        own = bytes partition.end;
      in
      if own != 0 then [ own ] else map (file: bytes "+${file.size}") (swapFilesOf partition.content)
    ) (lib.attrValues (removeAttrs partitions [ "ESP" ]))
  );
  minimumDisk =
    if minimumDiskBytes == null then
      8 * 1024 * 1024 * 1024 + sizedBytes
    else if minimumDiskBytes <= sizedBytes then
      throw "mkInstaller: the partitions and swap files of ${flakeAttribute} take ${toString sizedBytes} bytes: minimumDiskBytes has to be more"
    else
      minimumDiskBytes;

  revision =
    given:
    given.shortRev or given.dirtyShortRev or inputs.self.shortRev or inputs.self.dirtyShortRev
      or "dirty";

  liveWith =
    image:
    lib.nixosSystem {
      modules = [
        image
        carries
      ]
      ++ modules;
    };
  iso = liveWith {
    imports = [ ../iso/image.nix ];
    nixvm.installer = { inherit imageName; };
  };
  netboot = liveWith ../iso/netboot.nix;

  carries = {
    nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system;
    nixvm.installer = {
      inherit
        answers
        flakeAttribute
        hostDirectory
        liveAuthorizedKeys
        minimumMemoryBytes
        volumeLabel
        ;
      buildId = "${version}-${revision flake}";
      flake = "${sources}";
      networkManager = config.networking.networkmanager.enable;
      firstBoot = config.systemd.units."nixvm-first-boot.path".enable or false;
      sshHostKey = import ./ssh-host-key.nix { inherit lib; } config;
      graphicalLogin = config.services.displayManager.enable;
      nixosRelease = config.system.nixos.release;
      edition = import ./edition.nix config;
      defaults = {
        inherit (config.networking) hostName;
        inherit (account) username fullName;
        # Another host's answers about these can't be compared with what it has.
        keymap = config.nixvm.host.keymap or null;
        locale = config.nixvm.host.locale or null;
        proxy = config.nixvm.host.proxy or null;
        inherit (config.time) timeZone;
      };
      inherit (config.system.build) toplevel;
      rebuildKit = lib.optionals rebuildable (
        import ./rebuild-kit.nix { inherit lib nixosConfiguration; }
      );
      inputSources = lib.optionals rebuildable inputSources;
      minimumDiskBytes = minimumDisk;
      layout = import ./layout.nix { inherit lib partitions; };
      diskoScript = import ./disko-script.nix { inherit lib nixosConfiguration; };
    };
  };
in
# The image is a derivation to build, and knows the live system that it was made of.
iso.config.system.build.isoImage
// {
  nixosConfiguration = iso;
  netboot = netboot.config.system.build.nixvmNetboot // {
    nixosConfiguration = netboot;
  };
  kexec = netboot.config.system.build.kexecTree // {
    nixosConfiguration = netboot;
  };
}
