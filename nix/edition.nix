# A system's configuration → its desktop in a word or two, or null: what the installer's screen says of it.
config:
let
  desktops = config.services.desktopManager or { };
in
if desktops.plasma6.enable or false then
  "Plasma 6"
else if desktops.gnome.enable or false then
  "GNOME"
else
  null
