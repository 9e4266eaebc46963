# The template's.
import ../../../nix/template/encrypted-disk.nix
