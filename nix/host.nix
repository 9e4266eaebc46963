# This machine's identity. The installer writes this file anew from the answers it was given.
{
  hostname = "nixvm";
  username = "ht";
  fullName = "";
}
