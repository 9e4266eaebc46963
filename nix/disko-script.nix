# A nixosConfiguration → the script that partitions, formats and mounts its disk for the installer.
#
# It names no disk but /dev/nixvm-target, the link that the agent's udev rule gives to the disk that
# was chosen, so it is built once for every disk. disko itself would find the new partitions by
# label, which is another machine's disk as soon as one with the same labels is attached; here each
# partition has its own path below the link, and guards check it before anything is written.
# The layout's user gets none of this: only this evaluation has it.
{ lib, nixosConfiguration }:
let
  target = "/dev/nixvm-target";
  # Above lib.mkForce, which a host may use itself.
  override = lib.mkOverride 0;
  inherit (nixosConfiguration) config;

  unmet = import ./requirements.nix { inherit lib nixosConfiguration; };

  isOnTarget = ''
    if [[ $(lsblk --nodeps --noheadings --output PKNAME "$(realpath "$device")") != "$(basename "$(realpath ${target})")" ]]; then
      echo "$device is not a partition of ${target}: nothing was written to it" >&2
      exit 1
    fi
  '';

  wipe = ''
    wipefs --all --force "$device"
  '';

  # The system that is being installed needs no swap, and a partition in use could not be erased by the next
  # attempt. Each mount is in a subshell of its own.
  leaveUnused = ''
    [[ ! -b $device ]] || exit 0
  '';

  partitionsOf = one: one.config.disko.devices.disk.main.content.partitions;
  isEncrypted = p: p.content.type == "luks";
  layoutOf =
    one:
    import ./layout.nix {
      inherit lib;
      partitions = partitionsOf one;
    };

  # The agent's: root alone can read it, and it is in memory while the script runs. disko's own way, a password
  # file by `echo`, would change a passphrase like `-n`.
  passphrase = "/run/nixvm/passphrase";

  # disko takes a mapping that is open for its own, and makes a file system in it.
  isUnmapped = name: ''
    if [[ -e /dev/mapper/${name} ]] || cryptsetup status ${name} >/dev/null; then
      echo "/dev/mapper/${name} is there already: nothing was written to it" >&2
      exit 1
    fi
  '';
  isMappedTo = p: ''
    if [[ $(ls "/sys/class/block/$(basename "$(realpath "$device")")/slaves") != "$(basename "$(realpath ${partitionOf p})")" ]]; then
      echo "$device is not on partition ${toString p._index} of ${target}: nothing was written to it" >&2
      exit 1
    fi
  '';
  partitionOf = p: "${target}-part${toString p._index}";

  # What the host defines with lib.mkForce, others' definitions at the same place don't count for, these neither.
  guardedBy =
    force:
    nixosConfiguration.extendModules {
      modules = [
        {
          disko.devices.disk.main = {
            device = override target;
            content = force {
              device = override target;
              # Clearing the disk is the agent's: it knows what is on it and has leave to erase it.
              preCreateHook = lib.mkBefore ''
                if [[ $(realpath "$device") != "$(realpath ${target})" ]]; then
                  echo "$device is not ${target}: nothing was written to it" >&2
                  exit 1
                fi
                if [[ ! -b $device || $(lsblk --noheadings --raw --output NAME "$(realpath "$device")" | wc -l) != 1 ]]; then
                  echo "$device is no block device, or carries partitions still: nothing was written to it" >&2
                  exit 1
                fi
              '';
              partitions = lib.mapAttrs (_: p: {
                device = override (partitionOf p);
                content = {
                  device = override (partitionOf p);
                  # disko formats nothing where it finds a file system, and keeps the old files.
                  preCreateHook = lib.mkBefore (
                    isOnTarget + lib.optionalString (isEncrypted p) (isUnmapped p.content.name) + wipe
                  );
                  preMountHook = lib.mkBefore (
                    isOnTarget + lib.optionalString (p.content.type == "swap") leaveUnused
                  );
                }
                // lib.optionalAttrs (isEncrypted p) {
                  askPassword = override false;
                  settings.keyFile = override passphrase;
                  content = {
                    device = override "/dev/mapper/${p.content.name}";
                    # What the new key makes of the partition's bytes may look like a file system.
                    preCreateHook = lib.mkBefore (isMappedTo p + wipe);
                    preMountHook = lib.mkBefore (isMappedTo p);
                  };
                };
              }) (partitionsOf nixosConfiguration);
            };
          };
        }
      ];
    };
  isGuarded =
    one:
    let
      inherit (one.config.disko.devices.disk.main) device content;
    in
    device == target
    && content.device == target
    && lib.hasInfix "nothing was written" content.preCreateHook
    && layoutOf one == layoutOf nixosConfiguration
    && lib.all (
      p:
      let
        inner = p.content.content;
      in
      p.device == partitionOf p
      && p.content.device == p.device
      && lib.all (lib.hasInfix isOnTarget) [
        p.content.preCreateHook
        p.content.preMountHook
      ]
      && (
        !isEncrypted p
        ||
          !p.content.askPassword
          && p.content.settings.keyFile == passphrase
          && lib.hasInfix (isUnmapped p.content.name) p.content.preCreateHook
          && inner.device == "/dev/mapper/${p.content.name}"
          && lib.all (lib.hasInfix (isMappedTo p)) [
            inner.preCreateHook
            inner.preMountHook
          ]
      )
    ) (lib.attrValues content.partitions);
  # Forcing leaves out what is defined without, and a partition can't be evaluated then.
  guarded = lib.findFirst (one: (builtins.tryEval (isGuarded one)).value) null (
    map guardedBy [
      lib.id
      lib.mkForce
    ]
  );
in
if unmet != [ ] then
  throw ''
    nixvm cannot install ${config.networking.hostName}. Its configuration needs:
    ${lib.concatMapStringsSep "\n" (need: "- ${need}") unmet}
    nixvm's own nix/disko-config.nix is such a layout.''
else if guarded == null then
  throw ''
    nixvm cannot install ${config.networking.hostName}: the definitions of disko.devices leave no room for the installer's
    own. Replace a layout by `disko.devices.disk.main.content = lib.mkForce { ... }`, and force nothing above or below it.''
else
  guarded.config.system.build.formatMount
