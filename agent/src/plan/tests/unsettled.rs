//! Disks that are still being read.

use super::*;

fn unsettled(name: &str) -> Disk {
    let mut disk = blank(name);
    disk.device.unsettled = true;
    disk
}

#[test]
fn a_disk_that_is_still_being_read_is_waited_for_where_no_rule_says_which_is_meant() {
    let message = "Waiting for /dev/vda, which is not usable: still being checked.".to_owned();
    let wait = Decision::Wait { message };
    assert_eq!(World::new([unsettled("vda")]).decide(), wait);
    // It may turn out to be usable too: then which one is meant has to be asked.
    assert_eq!(World::new([unsettled("vda"), blank("vdb")]).decide(), wait);
}

#[test]
fn a_disk_that_is_still_being_read_holds_up_no_other_that_is_meant() {
    let world =
        World::new([unsettled("vda"), blank("vdb")]).answering("disk = 'serial=serial-vdb'");
    assert_eq!(goes(&world.decide()).unwrap().target.name, "vdb");
    let world = World::new([unsettled("vda"), blank("vdb")]).choosing("vdb");
    assert_eq!(goes(&world.decide()).unwrap().target.name, "vdb");
}
