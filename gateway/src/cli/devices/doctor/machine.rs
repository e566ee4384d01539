//! What can be seen of the machine without a gateway: files below `/sys`, `/run`, `/proc` and `/etc`.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::{Check, problem, unknown, well};
use crate::control::socket::group_id;
use crate::radio::air::Fault;
use crate::radio::rfkill;

/// The adapter that is looked for where no settings name one.
pub(super) const FIRST: &str = "hci0";

/// The machine, or a picture of one below another root.
pub(super) struct Machine {
    root: PathBuf,
    bus: Option<PathBuf>,
}

/// Whether this process is root, and its groups.
struct Me {
    root: bool,
    groups: Vec<u32>,
}

fn of_fault(what: &str, fault: &Fault) -> Check {
    problem(what, fault.sentence(), fault.next())
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        let named = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").ok();
        let bus = named.and_then(|text| text.strip_prefix("unix:path=").map(PathBuf::from));
        Self { root: PathBuf::from("/"), bus }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Bluetooth adapters by name.
    pub(super) fn adapters(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.at("sys/class/bluetooth"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            // Connections stand beside their adapter: hci0:64.
            .filter(|name| name.starts_with("hci") && !name.contains(':'))
            .collect();
        names.sort();
        names
    }

    /// Looks at everything that the radio rests on.
    pub(super) fn look(&self, adapter: &str) -> Vec<Check> {
        let me = Me {
            root: rustix::process::geteuid().is_root(),
            groups: rustix::process::getgroups()
                .unwrap_or_default()
                .into_iter()
                .chain([rustix::process::getegid()])
                .map(rustix::process::Gid::as_raw)
                .collect(),
        };
        vec![
            self.adapter(adapter),
            self.rfkill(adapter),
            self.system_bus(),
            self.service(),
            self.permission(&me),
        ]
    }

    fn adapter(&self, name: &str) -> Check {
        let there = self.adapters();
        if there.iter().any(|known| known == name) {
            return well("adapter", format!("{name} is there."));
        }
        let fault = Fault::NoAdapter(name.to_owned());
        match there.first() {
            Some(other) => problem(
                "adapter",
                format!("This machine has no adapter {name}, but {}.", there.join(", ")),
                format!("name it: radio.adapter = {other:?}"),
            ),
            None => of_fault("adapter", &fault),
        }
    }

    fn rfkill(&self, adapter: &str) -> Check {
        match rfkill::blocked(&self.at("sys/class/rfkill"), adapter) {
            Some(fault) => of_fault("rfkill", &fault),
            None => well("rfkill", "No switch holds Bluetooth off."),
        }
    }

    fn system_bus(&self) -> Check {
        let socket = self.bus.clone().unwrap_or_else(|| self.at("run/dbus/system_bus_socket"));
        match UnixStream::connect(&socket) {
            Ok(_) => well("D-Bus", "The system's bus answers."),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => problem(
                "D-Bus",
                format!("This user may not use {}.", socket.display()),
                "allow AF_UNIX and the path in the unit, or ask as another user",
            ),
            Err(_) => of_fault("D-Bus", &Fault::NoBus),
        }
    }

    fn service(&self) -> Check {
        let mut seen = 0_u32;
        for entry in fs::read_dir(self.at("proc")).into_iter().flatten().flatten() {
            let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
            seen += 1;
            if name.trim() == "bluetoothd" {
                return well("service", "The Bluetooth service (bluetoothd) runs.");
            }
        }
        // Other users' processes may be hidden (hidepid); init is visible where they are not.
        let all = fs::read_to_string(self.at("proc/1/comm")).is_ok();
        if all && seen > 0 {
            of_fault("service", &Fault::NoDaemon)
        } else {
            unknown("service", "Which services run cannot be seen by this user.")
        }
    }

    /// BlueZ's own policy for the bus: everybody may, or root and the group `bluetooth`.
    fn permission(&self, me: &Me) -> Check {
        let files =
            ["usr/share/dbus-1/system.d/bluetooth.conf", "etc/dbus-1/system.d/bluetooth.conf"];
        let policies: Vec<String> =
            files.iter().filter_map(|file| fs::read_to_string(self.at(file)).ok()).collect();
        if me.root || policies.iter().any(|text| everybody_may(text)) {
            return well("permission", "This user may use Bluetooth.");
        }
        if policies.is_empty() {
            return unknown(
                "permission",
                "BlueZ's rules for the bus were not found: is it installed?",
            );
        }
        match group_id("bluetooth") {
            Some(group) if me.groups.contains(&group) => {
                well("permission", "This user is in the group bluetooth.")
            }
            _ => problem(
                "permission",
                "This user is not in the group bluetooth; it concerns the gateway if it runs as this user.",
                Fault::NotPermitted.next(),
            ),
        }
    }
}

/// Whether the default policy allows to send to BlueZ.
fn everybody_may(policy: &str) -> bool {
    let Some((_, rest)) = policy.split_once("<policy context=\"default\">") else { return false };
    let inside = rest.split_once("</policy>").map_or(rest, |(inside, _)| inside);
    inside.contains("<allow send_destination=\"org.bluez\"/>")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::path::Path;

    use super::*;

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn picture(root: &Path) -> Machine {
        Machine { root: root.to_owned(), bus: None }
    }

    #[test]
    fn a_bare_machine_is_told_what_it_lacks_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "proc/1/comm", "init\n");
        let checks = picture(folder.path()).look("hci0");
        let told: Vec<(&str, Option<bool>)> =
            checks.iter().map(|check| (check.what.as_str(), check.well)).collect();
        assert_eq!(told[0], ("adapter", Some(false)));
        assert_eq!(told[1], ("rfkill", Some(true)));
        assert_eq!(told[2], ("D-Bus", Some(false)));
        assert_eq!(told[3], ("service", Some(false)));
        for check in checks.iter().filter(|check| check.well == Some(false)) {
            assert!(check.next.as_ref().is_some_and(|next| !next.is_empty()), "{check:?}");
        }
    }

    #[test]
    fn a_machine_with_everything_is_well_and_a_switch_or_another_adapter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(root, "sys/class/bluetooth/hci1/address", "x");
        put(root, "sys/class/bluetooth/hci1:64/address", "x");
        put(root, "proc/77/comm", "bluetoothd\n");
        fs::create_dir_all(root.join("run/dbus")).unwrap();
        let _bus = std::os::unix::net::UnixListener::bind(root.join("run/dbus/system_bus_socket"))
            .unwrap();
        let machine = picture(root);
        assert_eq!(machine.adapters(), ["hci1"]);
        let checks = machine.look("hci1");
        assert!(checks[..4].iter().all(|check| check.well == Some(true)), "{checks:#?}");
        let other = machine.adapter("hci0");
        assert!(other.next.unwrap().contains("radio.adapter = \"hci1\""));
        for (file, text) in [("type", "bluetooth"), ("name", "hci1"), ("soft", "1"), ("hard", "0")]
        {
            put(root, &format!("sys/class/rfkill/rfkill0/{file}"), &format!("{text}\n"));
        }
        assert!(machine.rfkill("hci1").says.contains("blocked by rfkill"));
        assert_eq!(machine.rfkill("hci7").well, Some(true));
    }

    #[test]
    fn the_rules_of_the_bus_decide_who_may() {
        let folder = tempfile::tempdir().unwrap();
        let file = "etc/dbus-1/system.d/bluetooth.conf";
        let machine = picture(folder.path());
        let nobody = Me { root: false, groups: vec![] };
        assert_eq!(machine.permission(&nobody).well, None);
        put(
            folder.path(),
            file,
            "<policy context=\"default\">\n  <deny send_destination=\"org.bluez\"/>\n</policy>",
        );
        assert_eq!(machine.permission(&nobody).well, Some(false));
        assert_eq!(machine.permission(&Me { root: true, groups: vec![] }).well, Some(true));
        put(
            folder.path(),
            file,
            "<policy user=\"root\"/><policy context=\"default\"><allow send_destination=\"org.bluez\"/></policy>",
        );
        assert_eq!(machine.permission(&nobody).well, Some(true));
    }
}
