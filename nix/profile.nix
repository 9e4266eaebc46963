# What `nixos-rebuild switch` without an attribute means on this machine: "desktop" or "minimal".
"desktop"
