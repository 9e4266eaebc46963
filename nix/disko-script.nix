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

  # The system that is being installed needs no swap, and a partition in use could not be erased by the next
  # attempt. Each mount is in a subshell of its own.
  leaveUnused = ''
    [[ ! -b $device ]] || exit 0
  '';

  partitionsOf = one: one.config.disko.devices.disk.main.content.partitions;
  layoutOf =
    one:
    import ./layout.nix {
      inherit lib;
      partitions = partitionsOf one;
    };

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
                device = override "${target}-part${toString p._index}";
                content = {
                  device = override "${target}-part${toString p._index}";
                  # disko formats nothing where it finds a file system, and keeps the old files.
                  preCreateHook = lib.mkBefore ''
                    ${isOnTarget}
                    wipefs --all --force "$device"
                  '';
                  preMountHook = lib.mkBefore (
                    isOnTarget + lib.optionalString (p.content.type == "swap") leaveUnused
                  );
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
      p.device == "${target}-part${toString p._index}"
      && p.content.device == p.device
      && lib.all (lib.hasInfix isOnTarget) [
        p.content.preCreateHook
        p.content.preMountHook
      ]
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
