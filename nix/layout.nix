# disko's partitions of a GPT → the same as the agent's manifest has them, in the order in which they are made.
{ lib, partitions }:
let
  # mkfs's and mkswap's options for a label; null where there is none, or where it is written in another way.
  labelOf =
    content:
    let
      arguments = content.extraArgs or [ ];
      option =
        {
          vfat = "-n";
          f2fs = "-l";
        }
        .${content.format or ""} or "-L";
      at = lib.lists.findFirstIndex (argument: argument == option) null arguments;
    in
    if at == null || lib.length arguments <= at + 1 then null else lib.elemAt arguments (at + 1);

  describe =
    partition:
    let
      outer = if partition.content == null then { type = "none"; } else partition.content;
      isEncrypted = outer.type == "luks";
      inner = if isEncrypted then outer.content else outer;
      content = if inner == null then { type = "none"; } else inner;
      subvolumes = lib.attrValues (content.subvolumes or { });
      # disko makes them with the file system, and does not use them.
      swapFiles =
        one:
        map (file: "${lib.removeSuffix "/" one.mountpoint}/${file.path}") (
          lib.attrValues (one.swap or { })
        );
    in
    {
      number = partition._index;
      name = partition.label;
      filesystem = if content.type == "filesystem" then content.format else content.type;
      label = labelOf content;
      # The device below /dev/mapper that LUKS has it in.
      mapping = if isEncrypted then outer.name else null;
      mount-points = lib.filter (path: path != null) (
        map (one: one.mountpoint or null) ([ content ] ++ subvolumes)
      );
      swap-files = lib.concatMap swapFiles ([ content ] ++ subvolumes);
    };
in
map describe (lib.sort (a: b: a._index < b._index) (lib.attrValues partitions))
