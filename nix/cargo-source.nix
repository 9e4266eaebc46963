# Folders of the workspace → `src` and `postPatch` to build a crate in them.
#
# cargo reads the manifest of every member, whichever it builds. So all manifests are in the source,
# and the members that are not needed get an empty crate: a change in the lab rebuilds no agent.
{ lib }:
{ folders }:
let
  root = ../.;
  inherit (lib.importTOML ../Cargo.toml) workspace;
in
{
  src = lib.fileset.toSource {
    inherit root;
    fileset = lib.fileset.unions (
      [
        ../Cargo.lock
        ../Cargo.toml
        # The plain files that the crates install, or compare themselves with.
        (lib.fileset.difference (lib.fileset.fileFilter (file: !file.hasExt "nix") ../iso) (
          lib.fileset.maybeMissing ../iso/customize
        ))
        (lib.fileset.fileFilter (file: !file.hasExt "nix") ./first-boot)
      ]
      ++ map (member: root + "/${member}/Cargo.toml") workspace.members
      ++ folders
    );
  };
  postPatch = ''
    for manifest in ${lib.escapeShellArgs (map (member: "${member}/Cargo.toml") workspace.members)}; do
      folder=$(dirname "$manifest")
      if [ ! -e "$folder/src" ]; then
        mkdir "$folder/src"
        touch "$folder/src/lib.rs"
        echo 'fn main() {}' > "$folder/src/main.rs"
      fi
    done
  '';
}
