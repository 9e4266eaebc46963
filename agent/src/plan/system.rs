//! What the ISO carries, and the answers → whether that system is copied or another one is built.

use nixvm_answers::Resolved;
use nixvm_manifest::Manifest;

use super::{Facts, Refusal, System, refusal};
use crate::format;
use crate::plan::Configuration;
use crate::plan::{Check, Wanted};

/// The carried system if it is exactly what was asked for; else the one to be built, or the check
/// that tells whether it can be.
///
/// # Errors
/// It has to be built and can't be.
pub(super) fn choose(
    facts: &Facts<'_>,
    answers: &Resolved,
    configuration: &Configuration,
) -> Result<Result<System, Check>, Refusal> {
    let because = match (&facts.manifest.toplevel, difference(facts.manifest, configuration)) {
        (Some(toplevel), None) => {
            return Ok(Ok(System::Copy { toplevel: toplevel.display().to_string() }));
        }
        (Some(_), Some(difference)) => difference,
        (None, _) => "this installer carries none built".to_owned(),
    };
    let (memory, image) = (facts.machine.memory_bytes, facts.machine.image_in_memory_bytes);
    let minimum = facts.manifest.minimum_build_memory_bytes.saturating_add(image);
    if memory < minimum {
        let missing = format!(
            "that takes {} of memory{}, and this machine has {}",
            format::size_needed(minimum),
            refusal::of_that(image),
            format::size(memory)
        );
        return Err(Refusal::CannotBuild { because, missing });
    }
    let wanted =
        Wanted { configuration: configuration.clone(), network: answers.network.value.policy() };
    match &facts.checked.build {
        Some((asked, Ok(buildable))) if *asked == wanted => {
            Ok(Ok(System::Build { buildable: buildable.clone(), because }))
        }
        Some((asked, Err(missing))) if *asked == wanted => {
            Err(Refusal::CannotBuild { because, missing: missing.clone() })
        }
        _ => Ok(Err(Check::Build(wanted))),
    }
}

/// In what the machine differs from the one that the ISO carries.
///
/// In the flake, no other answer is part of the system: what it reads of the answers is `host.nix`.
/// The time zone is not in there either, unless the carried system has one built in.
fn difference(manifest: &Manifest, configuration: &Configuration) -> Option<String> {
    let Configuration { hostname, username, full_name, keymap, locale, timezone, proxy, .. } =
        configuration;
    let proxy = proxy.as_ref().map(ToString::to_string);
    let defaults = &manifest.defaults;
    if *hostname != defaults.hostname {
        return Some(format!("the host name {hostname} is not the carried system's"));
    }
    if *username != defaults.username {
        return Some(format!("the account {username} is not the carried system's"));
    }
    if *full_name != defaults.full_name {
        return Some("the account's full name is not the carried system's".to_owned());
    }
    let built_in = [
        ("keymap", keymap, &defaults.keymap, true),
        ("locale", locale, &defaults.locale, true),
        ("proxy", &proxy, &defaults.proxy, true),
        ("time zone", timezone, &defaults.timezone, defaults.timezone.is_some()),
    ];
    built_in.into_iter().find_map(|(what, wanted, carried, is_part)| {
        let wanted = wanted.as_ref().filter(|wanted| is_part && Some(*wanted) != carried.as_ref());
        wanted.map(|wanted| format!("the {what} {wanted} is not the carried system's"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference_of(carried: &str, hostname: &str, username: &str, full_name: &str) -> bool {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let mut manifest = nixvm_manifest::parse(manifest).unwrap();
        manifest.defaults.full_name = carried.to_owned();
        let configuration = Configuration {
            hostname: hostname.to_owned(),
            username: username.to_owned(),
            full_name: full_name.to_owned(),
            keymap: None,
            locale: None,
            timezone: None,
            proxy: None,
            disk_device: "/dev/vda".into(),
        };
        difference(&manifest, &configuration).is_some()
    }

    #[test]
    fn another_keymap_locale_or_proxy_is_built_and_a_time_zone_only_if_the_system_has_one() {
        let manifest = include_str!("../../manifest/fixtures/manifest.json");
        let mut manifest = nixvm_manifest::parse(manifest).unwrap();
        manifest.defaults.keymap = Some("us".to_owned());
        manifest.defaults.locale = Some("en_US.UTF-8".to_owned());
        let mut configuration = crate::plan::examples::plan("vda").configuration;
        let text = |text: &str| Some(text.to_owned());

        configuration.keymap = text("us");
        configuration.locale = text("en_US.UTF-8");
        configuration.timezone = text("Europe/Berlin");
        assert_eq!(difference(&manifest, &configuration), None);
        manifest.defaults.timezone = text("Europe/Berlin");
        assert_eq!(difference(&manifest, &configuration), None);
        manifest.defaults.timezone = text("UTC");
        let because = difference(&manifest, &configuration);
        assert_eq!(because.unwrap(), "the time zone Europe/Berlin is not the carried system's");

        configuration.timezone = None;
        configuration.keymap = text("de");
        let because = difference(&manifest, &configuration);
        assert_eq!(because.unwrap(), "the keymap de is not the carried system's");
        configuration.keymap = None;
        configuration.locale = text("de_DE.UTF-8");
        assert!(difference(&manifest, &configuration).is_some());
        configuration.locale = None;
        assert_eq!(difference(&manifest, &configuration), None);

        configuration.proxy = Some("http://10.0.2.2:3128".parse().unwrap());
        let because = difference(&manifest, &configuration);
        assert_eq!(because.unwrap(), "the proxy http://10.0.2.2:3128 is not the carried system's");
        manifest.defaults.proxy = text("http://10.0.2.2:3128");
        assert_eq!(difference(&manifest, &configuration), None);
    }

    #[test]
    fn only_another_identity_is_built() {
        assert!(!difference_of("", "nixvm", "ht", ""));
        assert!(!difference_of("Ada", "nixvm", "ht", "Ada"));
        assert!(difference_of("", "web1", "ht", ""));
        assert!(difference_of("", "nixvm", "ada", ""));
        assert!(difference_of("", "nixvm", "ht", "Ada"));
        assert!(difference_of("Ada", "nixvm", "ht", "Grace"));
    }
}
