# A host's configuration → where its sshd has its Ed25519 host key, or null.
{ lib }:
config:
let
  inherit (config.services) openssh;
  keys = lib.filter (key: key.type == "ed25519") (lib.optionals openssh.enable openssh.hostKeys);
in
if keys == [ ] then null else (lib.head keys).path
