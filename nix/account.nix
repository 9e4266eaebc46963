# A host's accounts → the one that the installer sets up, or an error that says what to pass.
{ lib }:
{
  # The host's, for the errors.
  host,
  # users.users of the host.
  users,
  # Which of them. null: the only one that can log in.
  username,
}:
let
  answers = (lib.importJSON ../agent/answers/answers.schema.json).properties;
  able = lib.attrNames (lib.filterAttrs (_: user: user.isNormalUser) users);
  chosen =
    if username != null then
      username
    else if lib.length able == 1 then
      lib.head able
    else if able == [ ] then
      throw "mkInstaller: ${host} has no account that can log in: give it one with `isNormalUser = true`"
    else
      throw "mkInstaller: ${host} has several accounts (${lib.concatStringsSep ", " able}): pass `username`";
  fullName = users.${chosen}.description;
in
if !(users ? ${chosen}) then
  throw "mkInstaller: ${host} has no account ${chosen}; it has ${lib.concatStringsSep ", " able}"
else if chosen == "root" || builtins.match answers.username.pattern chosen == null then
  throw "mkInstaller: the installer can't set up an account named ${chosen}"
else if lib.stringLength fullName > 128 then
  throw "mkInstaller: the full name of ${chosen} on ${host} has more than 128 characters"
else
  {
    username = chosen;
    inherit fullName;
  }
