# This machine's identity: the defaults of nixvm's own systems. On an installed machine, the installer
# has written this file anew from the answers. Hosts without one: mk-host.nix and host-options.nix.
{
  hostname = "nixvm";
  username = "ht";
  fullName = "";
  keymap = "us";
  locale = "en_US.UTF-8";
  # null: /etc/localtime, on the machine, says it.
  timeZone = null;
  proxy = null;
}
