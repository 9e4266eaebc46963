# Answers → the reserved file /nixvm/answers.toml of the image, and the text in it.
#
# The one place on the Nix side that knows the file's format: agent/answers/src/area.rs has it, and
# a test compares the two. Answers are given by the names of an answers file, tables as sets; null
# is as if it were not there.
{ lib }:
answers:
let
  size = 64 * 1024;
  repeat = count: text: lib.concatStrings (lib.genList (_: text) count);

  # What JSON writes for strings, numbers, booleans and lists of them is TOML as well.
  line =
    path: value:
    if lib.isAttrs value then
      lib.concatStrings (lib.mapAttrsToList (name: line (path ++ [ name ])) value)
    else if value == null then
      ""
    else
      "${lib.concatStringsSep "." path} = ${builtins.toJSON value}\n";
  text = lib.concatStrings (lib.mapAttrsToList (name: line [ name ]) answers);
  length = lib.stringLength text;

  header =
    sum:
    let
      start =
        "# nixvm answers area, format 01\n"
        + "# length ${lib.fixedWidthNumber 5 length}\n"
        + "# sha256 ${sum}\n"
        + "# Write it with `nixvm-iso customize`; edited by hand, it would be refused.\n";
    in
    start + "#" + repeat (256 - 2 - lib.stringLength start) " " + "\n";
  areaWith = sum: header sum + text + repeat (size - 256 - length) "\n";

  known = lib.attrNames (lib.importJSON ../agent/answers/answers.schema.json).properties;
  unknown = lib.filter (name: !lib.elem name known) (lib.attrNames answers);
in
if unknown != [ ] then
  throw "there are no answers named ${toString unknown}: they are ${toString known}"
else if length > size - 256 then
  throw "the answers have ${toString length} bytes, and the image has room for ${toString (size - 256)}"
else
  {
    inherit text;
    area = areaWith (builtins.hashString "sha256" (areaWith (repeat 64 "0")));
  }
