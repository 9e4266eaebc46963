# The agent with its unit, its D-Bus policy, manual and completions.
{
  lib,
  stdenv,
  coreutils,
  rustPlatform,
  installShellFiles,
  pkg-config,
  udev,
}:
rustPlatform.buildRustPackage {
  pname = "nixvm-agent";
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  inherit (import ./cargo-source.nix { inherit lib; } { folders = [ ../agent ]; }) src postPatch;
  cargoLock.lockFile = ../Cargo.lock;
  buildAndTestSubdir = "agent";

  nativeBuildInputs = [
    installShellFiles
    pkg-config
  ];
  buildInputs = [ udev ];

  # The flake's checks run the tests: an ISO does not wait for them.
  doCheck = false;

  postInstall = ''
    install -Dm644 iso/nixvm-agent{,-failed}.service -t $out/lib/systemd/system
    substituteInPlace $out/lib/systemd/system/nixvm-agent.service \
      --replace-fail /usr/bin/nixvm-agent $out/bin/nixvm-agent
    substituteInPlace $out/lib/systemd/system/nixvm-agent-failed.service \
      --replace-fail /usr/bin/cat ${coreutils}/bin/cat
    install -Dm644 iso/org.nixvm.Installer1.conf -t $out/share/dbus-1/system.d
    install -Dm644 iso/org.nixvm.Installer1.xml -t $out/share/dbus-1/interfaces
  ''
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/nixvm-agent manual $out/share/man/man1
    for shell in bash fish zsh; do
      $out/bin/nixvm-agent completions $shell > nixvm-agent.$shell
    done
    installShellCompletion nixvm-agent.{bash,fish} --zsh --name _nixvm-agent nixvm-agent.zsh
  '';

  meta = {
    description = "Installs NixOS into the virtual machine it was booted in, and says what it does";
    license = lib.licenses.mit;
    mainProgram = "nixvm-agent";
    platforms = lib.platforms.linux;
  };
}
