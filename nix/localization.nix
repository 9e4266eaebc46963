# The host's keymap, locale and time zone → the console, the graphical session and glibc.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.nixvm) host;

  lines = lib.splitString "\n" (builtins.readFile ./keyboard-layouts.txt);
  isRow = line: line != "" && !lib.hasPrefix "#" line;
  wordsOf = line: lib.filter (word: word != "") (lib.splitString " " line);
  rows = map wordsOf (lib.filter isRow lines);
  row = lib.findFirst (row: lib.head row == host.keymap) null rows;
  column =
    index:
    let
      word = lib.elemAt row index;
    in
    if word == "-" then "" else word;
  options = column 3;

  # As nixpkgs writes it, without the options that are empty: for one of those, systemd-localed 261
  # passes over the whole file (systemd issue 43007).
  inherit (config.services.xserver) xkb;
  option = name: value: lib.optionalString (value != "") "  Option \"${name}\" \"${value}\"\n";
  keyboard = lib.concatStrings [
    "Section \"InputClass\"\n"
    "  Identifier \"Keyboard catchall\"\n"
    "  MatchIsKeyboard \"on\"\n"
    (option "XkbModel" xkb.model)
    (option "XkbLayout" xkb.layout)
    (option "XkbOptions" xkb.options)
    (option "XkbVariant" xkb.variant)
    "EndSection\n"
  ];

  isEnglish = host.locale == "C.UTF-8" || host.locale == "en_US.UTF-8";
  hasAllLocales = config.nixvm.desktop.enable || !isEnglish;
in
{
  console.keyMap = lib.mkDefault host.keymap;

  # SDDM and Plasma ask systemd-localed, which reads a file that NixOS makes of these. Without a row,
  # the graphical session keeps its own layout.
  services.xserver.xkb = lib.mkIf (row != null && host.keymap != "us") {
    layout = lib.mkDefault (column 1);
    variant = lib.mkDefault (column 2);
    options = lib.mkIf (options != "") (lib.mkDefault "terminate:ctrl_alt_bksp,${options}");
  };

  environment.etc."X11/xorg.conf.d/00-keyboard.conf" = lib.mkIf config.nixvm.desktop.enable {
    text = lib.mkForce keyboard;
  };

  i18n = {
    defaultLocale = lib.mkDefault host.locale;
    # By default NixOS compiles the locales in use from glibc's sources. This package has all of them,
    # built: an image can carry it. Its 227 MB are for desktops, whose settings offer each language,
    # and for servers in another language. Every unit names the package.
    glibcLocales = lib.mkIf hasAllLocales (lib.mkDefault pkgs.glibcLocales);
  };

  time.timeZone = lib.mkIf (host.timeZone != null) (lib.mkDefault host.timeZone);
}
