# The script that an answer gives → it is run once, and a login shows if that failed.
#
# What the installer finds here is /var/lib/nixvm/first-boot. The files beside this one are installed as
# they are; the rehearsal lab's system has the same ones.
{
  systemd.units = {
    "nixvm-first-boot.path" = {
      text = builtins.readFile ./nixvm-first-boot.path;
      wantedBy = [ "multi-user.target" ];
    };
    "nixvm-first-boot.service".text = builtins.readFile ./nixvm-first-boot.service;
  };

  # Not users.motd or users.motdFile: of these there is one, and it may be the host's. This text is
  # added to all others.
  environment.loginShellInit = builtins.readFile ./login.sh;
}
