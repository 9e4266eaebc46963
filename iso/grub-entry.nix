# Puts grub-installed-disk.cfg before the first entry of the image's UEFI boot menu, and an entry in plain lines
# after it: see insert-grub-entry.
#
# nixpkgs has no option for it. The menu is in the image twice: in the tree, which GRUB reads from a
# CD and from most USB sticks, and inside the FAT image that El Torito names.
{ lib, pkgs, ... }:
let
  patched =
    content:
    pkgs.runCommand "grub-entry-${baseNameOf content.target}" {
      nativeBuildInputs = with pkgs.buildPackages; [
        grub2_efi
        mtools
      ];
    } "bash ${./insert-grub-entry} ${./grub-installed-disk.cfg} ${content.source} $out";
in
{
  options.isoImage.contents = lib.mkOption {
    apply = map (
      content:
      if
        lib.elem content.target [
          "/boot/efi.img"
          "/EFI"
        ]
      then
        content // { source = patched content; }
      else
        content
    );
  };
}
