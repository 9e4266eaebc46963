//! An unfinished install of a layout that is not nixvm's own.

use super::*;

/// An unfinished install of another layout: ext4 at /, swap, ext4 at /home.
fn with_home() -> Disk {
    let mut disk = unfinished("vda");
    let partition = |number, name: &str, filesystem: &str, mount_points: &[&str]| LayoutPartition {
        number,
        name: name.to_owned(),
        filesystem: filesystem.to_owned(),
        mapping: None,
        label: None,
        mount_points: mount_points.iter().map(Into::into).collect(),
        swap_files: Vec::new(),
    };
    let mut layout = nixvm_manifest::layout::own();
    layout.push(partition(3, "disk-main-swap", "swap", &[]));
    layout.push(partition(4, "disk-main-home", "ext4", &["/home"]));
    for ours in &layout[2..] {
        disk.device.partitions.push(Partition {
            number: ours.number,
            node: format!("/dev/vda{}", ours.number).into(),
            name: Some(ours.name.clone()),
            filesystem: Some(ours.filesystem.clone()),
            ..Partition::default()
        });
        for table in [&mut disk.content.primary, &mut disk.content.backup] {
            table.as_mut().unwrap().names.push(ours.name.clone());
        }
    }
    let root = disk.content.root.clone().unwrap();
    let home = Ext4Use { uuid: "home".into(), last_mounted: "/mnt/home".into(), ..root };
    disk.content.others.insert(4, home);
    let marker = disk.content.marker.as_mut().unwrap();
    marker.layout = layout;
    marker.other_uuids.insert(4, "home".into());
    disk
}

#[test]
fn another_layout_that_was_cut_off_is_known_until_one_of_its_file_systems_is_used() {
    assert_eq!(with_home().condition(), Condition::Unfinished, "{:?}", with_home().verdict());
    let used: [(&str, Change); 9] = [
        ("mounted again", |d| d.content.others.get_mut(&4).unwrap().mounts = 2),
        ("mounted elsewhere", |d| {
            d.content.others.get_mut(&4).unwrap().last_mounted = "/media".into();
        }),
        ("checked", |d| d.content.others.get_mut(&4).unwrap().checked = true),
        ("made anew", |d| d.content.others.get_mut(&4).unwrap().uuid = "another".into()),
        ("not noted", |d| d.content.marker.as_mut().unwrap().other_uuids.clear()),
        ("not readable", |d| d.content.others.clear()),
        ("swap made a file system", |d| d.device.partitions[2].filesystem = Some("ext4".into())),
        ("one partition more", |d| d.device.partitions.push(Partition::default())),
        ("the root is used", |d| d.content.root.as_mut().unwrap().mounts = 2),
    ];
    check(with_home(), &Condition::PossiblyInstalled, &used);
}

#[test]
fn a_file_system_that_does_not_tell_whether_it_was_used_is_asked_about() {
    for filesystem in ["xfs", "btrfs"] {
        let mut disk = with_home();
        let marker = disk.content.marker.as_mut().unwrap();
        marker.layout[3].filesystem = filesystem.into();
        marker.other_uuids.clear();
        disk.device.partitions[3].filesystem = Some(filesystem.into());
        disk.content.others.clear();
        assert_eq!(disk.condition(), Condition::PossiblyInstalled, "{filesystem}");
        let evidence = disk.verdict().evidence;
        assert_eq!(evidence[0], Evidence::OtherUsed("/home".into()), "{evidence:?}");
    }
}

#[test]
fn luks_does_not_tell_whether_it_was_used_and_is_asked_about() {
    let mut disk = unfinished("vda");
    let mut layout = nixvm_manifest::layout::own();
    layout[1].mapping = Some("crypt".into());
    disk.content.marker.as_mut().unwrap().layout = layout;
    // A root file system in clear is not what this install makes.
    assert_eq!(disk.condition(), Condition::PossiblyInstalled);
    assert_eq!(disk.verdict().evidence[0], Evidence::OtherPartition);

    let root = &mut disk.device.partitions[1];
    (root.filesystem, root.label) = (Some("crypto_LUKS".into()), None);
    for root_uuid in [None, Some("root".to_owned())] {
        disk.content.marker.as_mut().unwrap().root_uuid = root_uuid;
        assert_eq!(disk.condition(), Condition::PossiblyInstalled);
        assert_eq!(disk.verdict().evidence[0], Evidence::RootUnknown);
    }
    disk.device.partitions[1].label = Some("mine".into());
    assert_eq!(disk.verdict().evidence[0], Evidence::OtherPartition);
}

#[test]
fn another_layout_without_a_file_system_yet_is_unfinished_while_nothing_was_written() {
    for count in 0..=4 {
        let mut disk = with_home();
        disk.content.seal = Some(0);
        disk.content.surface_digest = Some("wiped".into());
        (disk.content.root, disk.content.esp) = (None, Esp::Unformatted);
        disk.content.others.clear();
        disk.device.partitions.truncate(count);
        for partition in &mut disk.device.partitions {
            partition.filesystem = None;
        }
        for table in [&mut disk.content.primary, &mut disk.content.backup] {
            table.as_mut().unwrap().names.truncate(count);
        }
        let marker = disk.content.marker.as_mut().unwrap();
        (marker.table_id, marker.root_uuid) = (None, None);
        marker.other_uuids.clear();
        assert_eq!(disk.condition(), Condition::Unfinished, "{count}: {:?}", disk.verdict());
        if count == 4 {
            let formatted: [(&str, Change); 2] = [
                ("written to since", |d| d.content.surface_digest = Some("other".into())),
                ("one is formatted", |d| d.device.partitions[3].filesystem = Some("ext4".into())),
            ];
            check(disk, &Condition::PossiblyInstalled, &formatted);
        }
    }
}

#[test]
fn a_markers_layout_that_no_install_makes_is_not_believed() {
    let changes: [(&str, Change); 3] = [
        ("no ESP", |d| _ = d.content.marker.as_mut().unwrap().layout.remove(0)),
        ("two roots", |d| {
            d.content.marker.as_mut().unwrap().layout[3].mount_points = vec!["/".into()];
        }),
        ("another number", |d| d.content.marker.as_mut().unwrap().layout[3].number = 7),
    ];
    check(with_home(), &Condition::PossiblyInstalled, &changes);
}
