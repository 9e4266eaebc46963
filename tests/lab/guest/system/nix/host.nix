{
  hostname = "nixvm";
  username = "ht";
  fullName = "";
}
