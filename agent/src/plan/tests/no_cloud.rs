//! What cloud-init's user data says of the disk → nothing that is consented to.

use nixvm_answers::nocloud;

use super::*;

#[test]
fn what_is_beyond_its_subset_is_a_warning_and_consents_to_nothing() {
    let text = b"#cloud-config\nhostname: web\nerase: any\ncountdown: 0\ndisk: only\n";
    for (disk, is_asked) in [(blank("vda"), false), (data("vda"), true)] {
        let mut world = World::new([disk]);
        let given = nocloud::user_data(text, "/dev/sr0");
        world.answers = resolve([given], world.manifest.answer_defaults().unwrap());
        let decision = world.decide_checked();
        let plan = if is_asked { asks(&decision) } else { goes(&decision) };
        let plan = plan.unwrap_or_else(|| panic!("{decision:?}"));
        assert_eq!(plan.warnings, ["Ignored in user-data on /dev/sr0: erase, countdown, disk."]);
        assert_eq!((plan.configuration.hostname.as_str(), plan.countdown), ("web", 10));
    }
}
