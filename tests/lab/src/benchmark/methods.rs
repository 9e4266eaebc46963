//! The ways to copy a closure that are compared → a shell script for each.

use super::store::BenchStore;

/// A way to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The installer's own.
    Ours,
    /// `nix copy` from the live system's store.
    NixCopy,
    /// What `nixos-install --system` does.
    NixosInstall,
    /// Everything in the image, unchecked.
    Unsquashfs,
    /// The same number of bytes in one file: the disk's own speed.
    Dd,
}

impl Method {
    /// All of them, in the order in which each round runs them.
    pub(super) const ALL: [Self; 5] =
        [Self::Ours, Self::NixCopy, Self::NixosInstall, Self::Unsquashfs, Self::Dd];

    /// In tables and in `copy.json`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "nixvm",
            Self::NixCopy => "nix copy",
            Self::NixosInstall => "nixos-install --system",
            Self::Unsquashfs => "unsquashfs + load-db",
            Self::Dd => "dd",
        }
    }

    /// Whether the target has a registered system afterwards.
    pub(super) fn installs(self) -> bool {
        self != Self::Dd
    }

    /// The script. It sees the ISO's files at /mnt/bench, the programs at /mnt/bin, the live system's
    /// store at /nix, the target at /mnt/target.
    pub(super) fn script(self, bench: &BenchStore) -> String {
        let system = &bench.toplevel;
        let store = "'local?root=/mnt/target'";
        let set = format!(
            "nix-env --store {store} -p /mnt/target/nix/var/nix/profiles/system --set {system}"
        );
        let load = format!("nix-store --store {store} --load-db < /mnt/bench/registration");
        let copy = match self {
            Self::Ours => format!(
                "/mnt/bin/copy-closure /mnt/bench/nix-store.squashfs /mnt/bench/registration \
                 /mnt/target {system}\n{load}\n{set}"
            ),
            Self::NixCopy => format!("nix copy --no-check-sigs --to {store} {system}\n{set}"),
            // The command line is that of nixpkgs' nixos-install.sh.
            Self::NixosInstall => format!(
                "nix-env --store /mnt/target --extra-substituters 'auto?trusted=1' \
                 -p /mnt/target/nix/var/nix/profiles/system --set {system}"
            ),
            Self::Unsquashfs => format!(
                "mkdir -p /mnt/target/nix\n\
                 unsquashfs -quiet -no-progress -dest /mnt/target/nix/store \
                 /mnt/bench/nix-store.squashfs\n{load}\n{set}"
            ),
            Self::Dd => {
                let blocks = bench.registration.total_bytes().div_ceil(1 << 20);
                format!("dd if=/dev/zero of=/mnt/target/file bs=1M count={blocks} status=none")
            }
        };
        format!("{copy}\nsync -f /mnt/target\n")
    }
}
