//! The ISO's manifest → what the screen says of the system that is installed.

use nixvm_copy::Registration;
use nixvm_manifest::Manifest;

/// What is known of the system before anything is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// NixOS's release.
    pub(super) release: Option<String>,
    /// What comes beside NixOS, in a word or two.
    pub(super) edition: Option<String>,
    /// Size of the carried closure in bytes: the sum of its NARs.
    pub(super) closure_bytes: Option<u64>,
    /// The system is logged in to on a graphical screen.
    pub(super) graphical_login: bool,
}

impl Facts {
    /// Reads the closure's registration for its size: Nix knows that only when it has built the
    /// closure, so the manifest can't say it. A registration that can't be read is the copy's to
    /// report.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let registration = manifest.registration.as_ref();
        let text = registration.and_then(|file| std::fs::read_to_string(file).ok());
        let closure = text.and_then(|text| Registration::parse(&text).ok());
        Self {
            release: manifest.nixos_release.clone(),
            edition: manifest.edition.clone(),
            closure_bytes: closure.map(|closure| closure.total_bytes()),
            graphical_login: manifest.graphical_login,
        }
    }

    /// `NixOS 26.05`, or `NixOS`.
    pub(super) fn nixos(&self) -> String {
        match &self.release {
            Some(release) => format!("NixOS {release}"),
            None => "NixOS".to_owned(),
        }
    }

    /// `NixOS 26.05 with Plasma 6`, as far as it is known.
    pub(super) fn system(&self) -> String {
        match &self.edition {
            Some(edition) => format!("{} with {edition}", self.nixos()),
            None => self.nixos(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../manifest/fixtures/manifest.json");

    #[test]
    fn the_system_is_named_as_far_as_it_is_known() {
        let mut manifest = nixvm_manifest::parse(EXAMPLE).unwrap();
        let facts = Facts::of(&manifest);
        assert_eq!(facts.system(), "NixOS 26.05 with Plasma 6");
        assert_eq!(facts.closure_bytes, None, "there is no such registration");
        (manifest.nixos_release, manifest.edition) = (None, None);
        assert_eq!(Facts::of(&manifest).system(), "NixOS");
    }

    #[test]
    fn the_closure_is_as_large_as_its_registration_says() {
        let mut manifest = nixvm_manifest::parse(EXAMPLE).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let entry = |name: char, size: u64| {
            let hash = "0".repeat(64);
            format!("/nix/store/{}-x\n{hash}\n{size}\n\n0\n", name.to_string().repeat(32))
        };
        std::fs::write(file.path(), entry('a', 1 << 20) + &entry('b', 5)).unwrap();
        manifest.registration = Some(file.path().to_owned());
        assert_eq!(Facts::of(&manifest).closure_bytes, Some((1 << 20) + 5));
    }
}
