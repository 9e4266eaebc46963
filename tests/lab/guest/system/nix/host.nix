{
  hostname = "nixvm";
  username = "nixos";
  fullName = "";
}
