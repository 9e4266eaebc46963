//! Text → [`Timezone`].

use crate::listed::{self, closest, similarity};
use crate::value::{Invalid, checked_text};

checked_text! {
    /// A time zone by its name in tzdata, older names included: `time.timeZone` in NixOS, and what
    /// `timedatectl set-timezone` takes.
    Timezone,
    pattern: "^[A-Za-z0-9_+/-]+$",
    check: check
}

const LIST: &str = include_str!("../lists/timezones.txt");

/// All time zones, sorted.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    listed::names(LIST)
}

fn check(text: &str) -> Result<(), Invalid> {
    if names().any(|name| name == text) {
        return Ok(());
    }
    let remedy = "`timedatectl list-timezones` has the names, such as \"Europe/Berlin\", \"UTC\"";
    Err(listed::refuse(text, "time zone", meant(text), remedy))
}

/// The zone of that name but for mistakes, or the one of that city.
fn meant(text: &str) -> Option<&'static str> {
    let fold = |name: &str| name.to_ascii_lowercase().replace([' ', '-'], "_");
    let text = fold(text.trim_start_matches("posix/").trim_start_matches("/usr/share/zoneinfo/"));
    let city_of = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let city = city_of(&text);
    closest(names(), |name| {
        let name = fold(name);
        let of_city = if name.contains('/') { similarity(&city_of(&name), &city) } else { 0.0 };
        // The whole name decides between equal cities, and a city alone is enough.
        similarity(&name, &text).max(0.95 * of_city)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sound_and_has_links_too() {
        listed::assert_sound(LIST, 590);
        for name in ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "GB", "Etc/GMT+1"] {
            assert_eq!(name.parse::<Timezone>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_city_is_enough_to_be_understood() {
        for bad in ["Berlin", "berlin", "Germany/Berlin", "Europe/Berln"] {
            let error = bad.parse::<Timezone>().unwrap_err();
            assert_eq!(error.hint.unwrap(), "did you mean \"Europe/Berlin\"?", "{bad}");
        }
    }
}
