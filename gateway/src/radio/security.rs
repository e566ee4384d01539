//! What D-Bus does not say about security: how strong a bond is, and whether the present link is
//! encrypted. Both are known or unknown, never assumed.
//!
//! - The strength of a bond stands in BlueZ's own file `/var/lib/bluetooth/<adapter>/<device>/info`
//!   (BlueZ, `doc/settings-storage.txt`), which only root may read on most machines.
//! - The encryption of a link is told by the kernel: `HCIGETCONNLIST` on a raw HCI socket
//!   (Linux, `net/bluetooth/hci_conn.c`, `hci_get_conn_list`), which asks for no privilege, but for an
//!   address family that a sandbox may withhold.
//!
//! `unsafe` stands in this file alone: no safe wrapper offers this one request to the kernel.

use std::ffi::c_int;
use std::fs;
use std::path::Path;

use rustix::ioctl::{Updater, ioctl, opcode};
use rustix::net::{AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType, socket_with};

use super::air::Address;

/// Where BlueZ keeps its bonds.
pub const BONDS: &str = "/var/lib/bluetooth";

/// How strong a bond is, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BondStrength {
    /// Made with LE Secure Connections.
    pub secure_connections: Option<bool>,
    /// Made with digits, hence protected against a man in the middle.
    pub authenticated: Option<bool>,
    /// Octets of the key, 7 to 16.
    pub key_octets: Option<u8>,
}

/// Reads how strong the bond of this device is; `folder` is [`BONDS`]. `None`: it cannot be read, or has
/// no key for Low Energy.
pub fn bond(folder: &Path, adapter: Address, device: Address) -> Option<BondStrength> {
    let file = folder.join(adapter.to_string()).join(device.to_string()).join("info");
    bond_of(&fs::read_to_string(file).ok()?)
}

/// The strength of the bond in the text of BlueZ's file. Of several keys, the weakest counts.
///
/// | group | whose key |
/// |---|---|
/// | `LongTermKey` | legacy pairing, the device's |
/// | `PeripheralLongTermKey` | legacy pairing, ours; Secure Connections, the one key |
/// | `SlaveLongTermKey` | the same, for older versions |
pub fn bond_of(text: &str) -> Option<BondStrength> {
    const GROUPS: [&str; 3] = ["[LongTermKey]", "[PeripheralLongTermKey]", "[SlaveLongTermKey]"];
    let mut keys: Vec<BondStrength> = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = GROUPS.contains(&line);
            if inside {
                keys.push(BondStrength::default());
            }
        } else if let (true, Some(key), Some((name, value))) =
            (inside, keys.last_mut(), line.split_once('='))
        {
            let value = value.trim().parse::<u8>().ok();
            match name.trim() {
                "Authenticated" => {
                    (key.secure_connections, key.authenticated) = kind_of(value);
                }
                "EncSize" => key.key_octets = value.filter(|size| (7..=16).contains(size)),
                _ => {}
            }
        }
    }
    keys.into_iter().reduce(|one, other| BondStrength {
        secure_connections: both(one.secure_connections, other.secure_connections),
        authenticated: both(one.authenticated, other.authenticated),
        key_octets: one.key_octets.zip(other.key_octets).map(|(one, other)| one.min(other)),
    })
}

/// Secure Connections and authenticated, by the kernel's type of the key (`MGMT_LTK_…`,
/// `include/net/bluetooth/mgmt.h`).
fn kind_of(authenticated: Option<u8>) -> (Option<bool>, Option<bool>) {
    match authenticated {
        Some(0) => (Some(false), Some(false)),
        Some(1) => (Some(false), Some(true)),
        Some(2) => (Some(true), Some(false)),
        Some(3) => (Some(true), Some(true)),
        // The debug key of the specification: everybody has it, so it protects from nobody.
        Some(4) => (Some(false), Some(false)),
        _ => (None, None),
    }
}

/// One weak key makes the bond weak, one unknown key makes a strong one unknown.
fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Links that are asked for at once: an adapter carries fewer.
const LINKS_MAX: usize = 32;

/// `BTPROTO_HCI`, `include/net/bluetooth/bluetooth.h`.
const HCI: RawProtocol = match RawProtocol::new(1) {
    Some(protocol) => protocol,
    None => unreachable!(),
};

/// `LE_LINK`, `include/net/bluetooth/hci.h`.
const LOW_ENERGY: u8 = 0x80;

/// `HCI_LM_ENCRYPT`, `include/net/bluetooth/hci.h`. `HCI_LM_AUTH` (0x02) is set together with it and
/// says nothing about a man in the middle; `HCI_LM_SECURE` (0x20) is not set for Low Energy.
const ENCRYPTED: u32 = 0x0004;

/// `struct hci_conn_info`, `include/net/bluetooth/hci_sock.h`: 16 octets.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct LinkInfo {
    handle: u16,
    /// Least significant octet first.
    address: [u8; 6],
    kind: u8,
    out: u8,
    state: u16,
    link_mode: u32,
}

/// `struct hci_conn_list_req` with room for its answer: 4 octets, then the links.
#[repr(C)]
struct LinkList {
    adapter: u16,
    count: u16,
    links: [LinkInfo; LINKS_MAX],
}

const _: () = assert!(size_of::<LinkInfo>() == 16);
const _: () = assert!(size_of::<LinkList>() == 4 + 16 * LINKS_MAX);

/// Whether the Low Energy link to this device is encrypted now. `None`: there is no such link, or the
/// kernel does not tell.
pub fn is_encrypted(adapter: &str, device: Address) -> Option<bool> {
    let number = adapter.strip_prefix("hci")?.parse().ok()?;
    let mut list = LinkList {
        adapter: number,
        count: u16::try_from(LINKS_MAX).ok()?,
        links: [LinkInfo::default(); LINKS_MAX],
    };
    fill(&mut list)?;
    encrypted_in(&list, device)
}

fn encrypted_in(list: &LinkList, device: Address) -> Option<bool> {
    let mut wanted = device.0;
    wanted.reverse();
    let links = list.links.get(..usize::from(list.count))?;
    let link = links.iter().find(|link| link.address == wanted && link.kind == LOW_ENERGY)?;
    Some(link.link_mode & ENCRYPTED != 0)
}

#[allow(unsafe_code, reason = "HCIGETCONNLIST has no safe wrapper")]
fn fill(list: &mut LinkList) -> Option<()> {
    /// `_IOR('H', 212, int)`, `include/net/bluetooth/hci_sock.h`.
    const LIST: rustix::ioctl::Opcode = opcode::read::<c_int>(b'H', 212);
    let socket = socket_with(
        AddressFamily::BLUETOOTH,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(Protocol::from_raw(HCI)),
    )
    .ok()?;
    // SAFETY: for this request the kernel reads `hci_conn_list_req` and writes at most `count` entries of
    // `hci_conn_info` behind it. `LinkList` has that layout (the sizes are asserted above), `count` is the
    // length of its array, every bit pattern is a value of its fields, and it outlives the call.
    unsafe { ioctl(socket, Updater::<LIST, LinkList>::new(list)) }.ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DEVICE: Address = Address([0xC0, 0xFF, 0xEE, 0, 0, 1]);

    fn key(group: &str, authenticated: &str, size: &str) -> String {
        format!(
            "\n[{group}]\nKey=00\nAuthenticated={authenticated}\nEncSize={size}\nEDiv=0\nRand=0\n"
        )
    }

    fn check(
        keys: &[(&str, &str, &str)],
        expected: Option<(Option<bool>, Option<bool>, Option<u8>)>,
    ) {
        let mut text = "[General]\nName=meter\nAddressType=static\nTrusted=true\n".to_owned();
        text.extend(keys.iter().map(|(group, kind, size)| key(group, kind, size)));
        text.push_str("\n[LocalSignatureKey]\nKey=00\nCounter=0\nAuthenticated=false\n");
        let found =
            bond_of(&text).map(|it| (it.secure_connections, it.authenticated, it.key_octets));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_bond_is_as_strong_as_its_weakest_key() {
        let (yes, no) = (Some(true), Some(false));
        check(&[], None);
        check(&[("LinkKey", "3", "16")], None);
        check(&[("LongTermKey", "0", "16")], Some((no, no, Some(16))));
        check(&[("LongTermKey", "1", "16")], Some((no, yes, Some(16))));
        let one = [("PeripheralLongTermKey", "2", "16"), ("SlaveLongTermKey", "2", "16")];
        check(&one, Some((yes, no, Some(16))));
        check(&[("PeripheralLongTermKey", "3", "16")], Some((yes, yes, Some(16))));
        check(&[("SlaveLongTermKey", "4", "16")], Some((no, no, Some(16))));
        let two = [("LongTermKey", "0", "7"), ("PeripheralLongTermKey", "1", "16")];
        check(&two, Some((no, no, Some(7))));
    }

    #[test]
    fn what_is_not_understood_is_unknown() {
        check(&[("LongTermKey", "5", "16")], Some((None, None, Some(16))));
        check(&[("LongTermKey", "true", "")], Some((None, None, None)));
        let strange = [("LongTermKey", "3", "16"), ("PeripheralLongTermKey", "9", "99")];
        check(&strange, Some((None, None, None)));
        let weak = [("LongTermKey", "0", "16"), ("PeripheralLongTermKey", "9", "16")];
        check(&weak, Some((Some(false), Some(false), Some(16))));
    }

    #[test]
    fn a_bond_is_found_below_its_adapter() {
        let folder = tempfile::tempdir().unwrap();
        let adapter: Address = "00:1A:7D:DA:71:13".parse().unwrap();
        assert_eq!(bond(folder.path(), adapter, DEVICE), None);
        let own = folder.path().join("00:1A:7D:DA:71:13/C0:FF:EE:00:00:01");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("info"), key("PeripheralLongTermKey", "3", "16")).unwrap();
        let strength = bond(folder.path(), adapter, DEVICE).unwrap();
        assert_eq!(strength.secure_connections, Some(true));
        assert_eq!(bond(folder.path(), DEVICE, adapter), None);
    }

    #[test]
    fn only_the_low_energy_link_of_this_device_counts() {
        let mut list = LinkList { adapter: 0, count: 0, links: [LinkInfo::default(); LINKS_MAX] };
        assert_eq!(encrypted_in(&list, DEVICE), None);
        let address = [1, 0, 0, 0xEE, 0xFF, 0xC0];
        list.links[0] =
            LinkInfo { address, kind: 0x01, link_mode: ENCRYPTED, ..LinkInfo::default() };
        list.count = 1;
        assert_eq!(encrypted_in(&list, DEVICE), None, "classic Bluetooth");
        list.links[1] = LinkInfo { kind: LOW_ENERGY, link_mode: 0x0003, ..list.links[0] };
        list.count = 2;
        assert_eq!(encrypted_in(&list, DEVICE), Some(false));
        list.links[1].link_mode = 0x0007;
        assert_eq!(encrypted_in(&list, DEVICE), Some(true));
        list.count = u16::MAX;
        assert_eq!(encrypted_in(&list, DEVICE), None, "an answer that cannot be");
    }

    #[test]
    fn without_an_adapter_nothing_is_known() {
        assert_eq!(is_encrypted("hci9999", DEVICE), None);
        assert_eq!(is_encrypted("simulated", DEVICE), None);
    }
}
