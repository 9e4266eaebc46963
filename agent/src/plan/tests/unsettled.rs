//! Disks that are still being read.

use super::*;

fn unsettled(name: &str) -> Disk {
    let mut disk = blank(name);
    disk.device.unsettled = true;
    disk
}

#[test]
fn a_disk_that_is_still_being_read_is_waited_for_and_said_to_be() {
    let Decision::Wait { message } = World::new([unsettled("vda")]).decide() else { panic!() };
    assert_eq!(message, "The disks are still being checked.");
}

#[test]
fn a_disk_that_is_still_being_read_holds_up_no_other() {
    let world = World::new([unsettled("vda"), blank("vdb")]);
    assert_eq!(goes(&world.decide()).unwrap().target.name, "vdb");
}
