//! Four disks, of which the second has data and the last is too small → an install to the second that
//! leaves the others alone.

use anyhow::Result;

use super::steps::{boots_as, hold_boot_loader, put_data_on_second};
use crate::fixture::{Fixture, digest, unchanged};
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::vm::config::{Config, Disk};
use crate::words::state;

/// The disk that is to be installed to.
const TARGET: usize = 1;

pub(super) struct FourDisks {
    disks: Vec<Disk>,
    /// Digests of them as they were.
    before: Vec<String>,
}

impl FourDisks {
    /// Starts the machine with them, which asks for one; an install waits for
    /// [`release_boot_loader`](super::steps::release_boot_loader).
    pub(super) fn start(fixture: &Fixture<'_>, config: &mut Config) -> Result<(Self, Vm)> {
        let disks = vec![
            fixture.disk("first")?,
            fixture.disk("target")?,
            fixture.disk("third")?,
            fixture.disk_of("tiny", 100 << 20)?,
        ];
        config.answers = None;
        config.disks.clone_from(&disks);
        let mut vm = fixture.start(config, "install")?;
        vm.state(state::CHOOSING_DISK, 90)?;
        put_data_on_second(&mut vm)?;
        hold_boot_loader(&mut vm)?;
        let before = disks.iter().map(|disk| digest(&disk.image)).collect::<Result<_>>()?;
        Ok((Self { disks, before }, vm))
    }

    /// Boots the second one, logs in with the password, and checks that the others are as they were.
    pub(super) fn check(
        self,
        fixture: &Fixture<'_>,
        mut config: Config,
        password: &str,
    ) -> Result<()> {
        for (place, (disk, before)) in self.disks.iter().zip(&self.before).enumerate() {
            if place != TARGET {
                unchanged(disk, before)?;
            }
        }
        config.disks = vec![self.disks[TARGET].clone()];
        let expected = Expected { password: password.to_owned(), ..Expected::default() };
        boots_as(fixture, &config, &expected)?.kill()
    }
}
