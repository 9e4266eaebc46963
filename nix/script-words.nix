# A host's disk → what of it disko's script would not take as the word that it is, in words; nothing if it is fit.
#
# disko quotes some of the options that it puts into its script, some not, and has mkfs and mkswap take arguments as
# they are. One with a space, a dollar or the name of another device could write elsewhere than to the disk that was
# chosen, before any guard. A file system that layouts may have needs its arguments among the `known` here.
{ lib, disk }:
let
  table = disk.main.content or null;
  partitions = lib.optionalAttrs (table != null && table.type == "gpt") table.partitions;

  name = "[A-Za-z0-9_.+@:=~-]+";
  word = "[A-Za-z0-9_.,:=+%^][A-Za-z0-9_.,:=+%^-]*";
  isMatch = pattern: text: builtins.match pattern text != null;
  # Each of them below the folder before it.
  isPath = text: isMatch "/?${name}(/${name})*" text && !isMatch "(.*/)?\\.\\.?(/.*)?" text;

  # Arguments of the tools that name neither a device nor a file, nor give an identifier that another disk could have.
  known = {
    vfat = {
      alone = [ ];
      with-word = [
        "-F"
        "-n"
        "-R"
        "-s"
        "-S"
      ];
    };
    ext4 = {
      alone = [ ];
      with-word = [
        "-b"
        "-C"
        "-E"
        "-g"
        "-G"
        "-i"
        "-I"
        "-L"
        "-m"
        "-N"
        "-O"
        "-T"
      ];
    };
    xfs = {
      alone = [
        "-f"
        "-K"
      ];
      with-word = [
        "-b"
        "-i"
        "-L"
        "-m"
        "-n"
        "-s"
      ];
    };
    f2fs = {
      alone = [ "-f" ];
      with-word = [
        "-a"
        "-C"
        "-e"
        "-E"
        "-l"
        "-o"
        "-O"
        "-s"
        "-t"
        "-w"
        "-z"
      ];
    };
    btrfs = {
      alone = [
        "-f"
        "-K"
        "-M"
        "--mixed"
      ];
      with-word = [
        "-d"
        "-L"
        "-m"
        "-n"
        "-O"
        "-R"
        "-s"
        "--checksum"
        "--csum"
      ];
    };
    swap = {
      alone = [ "-f" ];
      with-word = [
        "-L"
        "-p"
      ];
    };
  };
  none = {
    alone = [ ];
    with-word = [ ];
  };
  areKnown =
    tool: arguments:
    arguments == [ ]
    || (
      let
        option = lib.head arguments;
        rest = lib.tail arguments;
      in
      if lib.elem option tool.alone then
        areKnown tool rest
      else
        lib.elem option tool.with-word
        && rest != [ ]
        && isMatch word (lib.head rest)
        && areKnown tool (lib.tail rest)
    );

  # What is in a partition, and in that if it is encrypted.
  contentsOf = one: if one == null then [ ] else [ one ] ++ contentsOf (one.content or null);
  partitionNeeds =
    key: partition:
    let
      contents = contentsOf partition.content;
      subvolumes = lib.concatMap (one: lib.attrValues (one.subvolumes or { })) contents;
      unknown = lib.filter (
        one: !areKnown (known.${one.format or one.type} or none) (one.extraArgs or [ ])
      ) contents;
      needs = {
        "with a name of at most 26 letters, digits and ._-" = isMatch "[A-Za-z0-9_.-]{1,26}" key;
        "with an end that is a size, such as -1G" =
          isMatch "-0|[+-]?[0-9]+(\\.[0-9]+)?[KMGTP]?(iB)?" partition.end;
        "with mount points of letters, digits and ._+@:=~-" = lib.all (
          one: one.mountpoint or null == null || one.mountpoint == "/" || isPath one.mountpoint
        ) (contents ++ subvolumes);
        "with subvolumes whose names are of letters, digits and ._+@:=~-" = lib.all (
          one: isPath one.name
        ) subvolumes;
        "with mount options that are plain words without a slash" = lib.all (isMatch word) (
          lib.concatMap (one: one.mountOptions or [ ]) (contents ++ subvolumes)
        );
        "with extraArgs of those that are known to write to it alone${
          lib.concatMapStrings (
            one:
            let
              tool = known.${one.format or one.type} or none;
            in
            ": ${lib.concatStringsSep " " (map (option: "${option} WORD") tool.with-word ++ tool.alone)}"
          ) unknown
        }" =
          unknown == [ ];
        "without extraArgs of subvolumes" = lib.all (one: one.extraArgs or [ ] == [ ]) subvolumes;
      };
    in
    map (need: "partition ${key} ${need}") (lib.attrNames (lib.filterAttrs (_: met: !met) needs));
in
lib.optional (
  disk ? main && disk.main.name or "main" != "main"
) "disko.devices.disk.main without a name of its own"
++ lib.concatLists (lib.mapAttrsToList partitionNeeds partitions)
