//! What is asked, and lines that are typed for it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_data_is_installed_to_with_mistakes_on_the_way() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    tty.shows("NixOS installer 2026-11-24\r\n");
    installer.chooses();
    tty.shows("Which disk should NixOS be installed on?\r\n");
    tty.shows("Disk /dev/vdb, 238 GiB, Samsung SSD 980 PRO, serial S5GXNX0T (data: ");
    tty.shows("Disk name: ");
    tty.types("vdz\r\n");
    tty.shows("There is no disk \"vdz\". Nothing was chosen. Type one of: vda, vdb\r\nDisk name: ");
    tty.types("sr0\r");
    tty.shows("/dev/sr0 can't be used: a CD or DVD drive. Nothing was chosen.\r\nDisk name: ");
    // An arrow key is not text.
    tty.types("vda\x7f\x1b[A");
    tty.types("b\r");
    tty.shows("vda\x08 \x08b\r\n");
    assert!(matches!(installer.request(Ok(())).await, Request::Select { disk } if disk == "vdb"));

    let token = installer.plan(State::AwaitingConfirmation, plan_for_windows("vdb"));
    tty.shows("THIS WILL ERASE ALL DATA on /dev/vdb (238 GiB).\r\n");
    tty.shows("ntfs \"Windows\", 233 GiB\r\n");
    tty.shows("Commands: install, disk, host, user, keyboard, password, log");
    tty.shows("\r\n> ");
    tty.types("instal\r");
    tty.shows("There is no command \"instal\" here. Type one of: install, ");
    tty.shows("\r\n> ");
    tty.types("install\r");
    tty.shows("type its name, vdb, then press Enter: ");
    tty.types("vda\r");
    tty.shows("That is not vdb. Nothing was done.\r\n");
    tty.shows("then press Enter: ");
    assert!(installer.requests.try_recv().is_err(), "nothing was asked for");
    tty.types("vdb\r");
    let Message { request, reply } = installer.next().await;
    assert!(matches!(request, Request::Confirm { token: sent } if sent == token));
    installer.installs();
    reply.send(Ok(())).unwrap();
    let between = tty.shows("[1/7] Partition and format the disk\r\n");
    assert!(!between.contains("THIS WILL ERASE"), "it is confirmed already: {between}");
    tty.shows("Choose a password for ht. It is not shown as you type.\r\n");
    tty.shows("Password: ");
    tty.types("hunter2");
    let mut account = installer.account.subscribe();
    let typing = account.wait_for(|account| !account.typing.is_empty());
    tokio::time::timeout(PATIENCE, typing).await.unwrap().unwrap();
    installer.publisher.publish(Event::StepStarted { step: Step::Configure });
    tty.shows("\r\n[2/7] Write the configuration\r\nPassword: ");
    tty.types("\r");
    tty.shows("Repeat it: ");
    tty.types("hunter3\r");
    tty.shows("The passwords don't match.\r\n");
    tty.shows("Password: ");
    tty.types("hunter2\r");
    tty.shows("Repeat it: ");
    tty.types("hunter2\r");
    let Request::Password { hash } = installer.request(Ok(())).await else { panic!("a password") };
    assert!(!hash.reveal().contains("hunter2"));
    installer.publisher.publish(Event::Password { origin: PasswordOrigin::Typed });
    tty.shows("The password is set.\r\n");
    installer.ends(Finish::Wait);
    tty.shows("web is installed on /dev/vdb.\r\n");
    tty.shows("Password    the one you typed\r\n");
    tty.shows("\r\n> ");
    tty.types("restart\r");
    let how = installer.request(Ok(())).await;
    assert!(matches!(how, Request::Finish { how: Finish::Reboot }));

    let text = tty.everything();
    assert!(!text.contains("hunter"), "a password is on the line: {text}");
    assert_eq!(text.matches("There is no disk").count(), 1, "one error: {text}");
    assert_eq!(text.matches("That is not").count(), 1, "one error: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_the_keyboard_are_changed_and_a_mistake_changes_nothing() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    installer.asks(plan("vda"));
    tty.shows("\r\n> ");
    tty.types("host\r");
    tty.shows("Host name [web]: ");
    tty.types("web_1\r");
    tty.shows("is not a host name");
    tty.shows("Host name [web]: ");
    tty.types("db\r");
    let Request::Answers { toml, merge: true } = installer.request(Ok(())).await else {
        panic!("answers")
    };
    assert_eq!(toml.reveal(), "hostname = \"db\"\n");
    tty.shows("\r\n> ");
    tty.types("user\r");
    tty.shows("User name [ht]: ");
    tty.types("\r");
    tty.shows("\r\n> ");
    assert!(installer.requests.try_recv().is_err(), "it is kept");
    tty.types("keyboard\r");
    tty.shows("Keymap [us]: ");
    tty.types("latin1-node\r");
    tty.shows("Type one of these names in full: ");
    tty.shows("Keymap [us]: ");
    tty.types("zzz\r");
    tty.shows("No keymap has that in its name.\r\n");
    tty.shows("Keymap [us]: ");
    tty.types("de\r");
    let refused = RequestError::WrongState { state: "installing" };
    let Request::Answers { toml, .. } = installer.request(Err(refused)).await else {
        panic!("answers")
    };
    assert_eq!(toml.reveal(), "keymap = \"de\"\n");
    tty.shows("this can't be done in the state installing\r\n");
    tty.shows("Keymap [us]: ");
    // Control and C.
    tty.types("d\x03");
    tty.shows("\r\n> ");
    tty.types("install\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Confirm { .. }));
    tty.everything();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_key_stops_a_countdown_and_is_no_command() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    installer.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    installer.plan(State::Countdown, plan("vda"));
    installer.publisher.publish(Event::Countdown { seconds_left: 10 });
    tty.shows("Starting in 10 s.\r\n");
    tty.types("off\r");
    assert!(matches!(installer.request(Ok(())).await, Request::Cancel));
    installer.enter(State::AwaitingConfirmation, "The countdown was stopped.");
    tty.shows("The countdown was stopped.\r\n");
    tty.shows("\r\n> ");
    assert!(installer.requests.try_recv().is_err(), "the rest is no command");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disks_name_typed_before_it_is_asked_for_erases_nothing() {
    let mut installer = Installer::new();
    let mut tty = installer.console();
    installer.chooses();
    installer.plan(State::AwaitingConfirmation, plan_for_windows("vdb"));
    tty.shows("Commands: install, ");
    tty.types("install\rvdb\r");
    tty.shows("type its name, vdb, then press Enter: ");
    tty.types("vdb\r");
    installer.publisher.publish(Event::Warning { message: "A cable was pulled.".to_owned() });
    let between = tty.shows("A cable was pulled.");
    assert!(!between.contains("vdb\r\n"), "{between}");
    tty.shows("type its name, vdb, then press Enter: ");
    assert!(installer.requests.try_recv().is_err(), "nothing was asked for");
}
