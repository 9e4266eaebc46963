{
  hostname = "web1";
  username = "admin";
  fullName = "";
}
