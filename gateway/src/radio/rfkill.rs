//! Whether rfkill holds Bluetooth off: `/sys/class/rfkill/rfkill<n>/{type,name,soft,hard}`
//! (Linux, Documentation/ABI/stable/sysfs-class-rfkill).

use std::fs;
use std::path::Path;

use super::air::Fault;

/// Where the kernel shows its switches.
pub const SWITCHES: &str = "/sys/class/rfkill";

/// One switch, as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Switch {
    name: String,
    soft: bool,
    hard: bool,
}

impl Switch {
    /// From the texts of `type`, `name`, `soft` and `hard`; `None`: not for Bluetooth.
    fn parse([kind, name, soft, hard]: [&str; 4]) -> Option<Self> {
        (kind.trim() == "bluetooth").then(|| Self {
            name: name.trim().to_owned(),
            soft: soft.trim() == "1",
            hard: hard.trim() == "1",
        })
    }

    /// An adapter's own switch, or a machine's switch for all of them (`tpacpi_bluetooth_sw`).
    fn concerns(&self, adapter: &str) -> bool {
        self.name == adapter || !self.name.starts_with("hci")
    }
}

/// Why this adapter is off, where rfkill is the reason; `folder` is [`SWITCHES`].
pub fn blocked(folder: &Path, adapter: &str) -> Option<Fault> {
    let switches: Vec<Switch> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let text = |file: &str| fs::read_to_string(entry.path().join(file)).ok();
            let [kind, name, soft, hard] = ["type", "name", "soft", "hard"].map(text);
            Switch::parse([&kind?, &name?, &soft?, &hard?])
        })
        .filter(|switch| switch.concerns(adapter))
        .collect();
    if switches.iter().any(|switch| switch.hard) {
        Some(Fault::Blocked(true))
    } else if switches.iter().any(|switch| switch.soft) {
        Some(Fault::Blocked(false))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(switches: &[[&str; 4]], expected: Option<Fault>) {
        let folder = tempfile::tempdir().unwrap();
        for (number, texts) in switches.iter().enumerate() {
            let switch = folder.path().join(format!("rfkill{number}"));
            fs::create_dir(&switch).unwrap();
            for (file, text) in ["type", "name", "soft", "hard"].iter().zip(texts) {
                fs::write(switch.join(file), format!("{text}\n")).unwrap();
            }
        }
        assert_eq!(blocked(folder.path(), "hci0"), expected, "{switches:?}");
    }

    #[test]
    fn only_switches_of_this_adapter_or_of_the_machine_count() {
        check(&[], None);
        check(&[["bluetooth", "hci0", "0", "0"]], None);
        check(&[["bluetooth", "hci0", "1", "0"]], Some(Fault::Blocked(false)));
        check(&[["bluetooth", "hci0", "1", "1"]], Some(Fault::Blocked(true)));
        check(&[["wlan", "phy0", "1", "1"], ["bluetooth", "hci0", "0", "0"]], None);
        check(&[["bluetooth", "hci1", "1", "1"]], None);
        check(
            &[["bluetooth", "tpacpi_bluetooth_sw", "0", "1"], ["bluetooth", "hci0", "1", "0"]],
            Some(Fault::Blocked(true)),
        );
    }

    #[test]
    fn a_machine_without_switches_blocks_nothing() {
        assert_eq!(blocked(Path::new("/nonexistent/rfkill"), "hci0"), None);
    }
}
