# Who this machine is. The installer writes this file anew with the answers it was given.
{
  hostname = "nixvm";
  username = "nixos";
  fullName = "";
}
