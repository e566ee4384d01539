//! What a configuration means on this machine: values, combinations, files.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Config, Tls};
use crate::checked_toml::{Document, Problem};
use crate::control::socket::group_id;

/// Longest id that still leaves room in a topic.
const ID_MAX: usize = 64;

/// Collects problems and remarks with their places.
struct Findings<'d> {
    document: &'d Document,
    problems: Vec<Problem>,
    remarks: Vec<String>,
}

impl Findings<'_> {
    fn wrong(&mut self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(self.document.problem(key, message, Some(help.into())));
    }

    fn remark(&mut self, sentence: impl Into<String>) {
        self.remarks.push(sentence.into());
    }
}

/// Everything that is wrong, and everything that deserves a look.
pub(super) fn check(config: &Config, document: &Document) -> (Vec<Problem>, Vec<String>) {
    let mut findings = Findings { document, problems: Vec::new(), remarks: Vec::new() };
    let f = &mut findings;
    gateway(config, f);
    uplink(config, f);
    if let Some(tls) = &config.uplink.tls {
        encryption(tls, f);
    }
    embedded_broker(config, f);
    control(config, f);
    radio(config, f);
    files(config, f);
    if config.store.disk_alarm_mib == 0 {
        f.wrong(
            "store.disk_alarm_mib",
            "0 would never warn of a full disk",
            "write the mebibytes below which staff are told, for example 256",
        );
    }
    let days = config.store.retention_days;
    if days != 0 && days < super::RETENTION_DAYS_MIN {
        f.wrong(
            "store.retention_days",
            format!("{days} days are too short to look at a course again"),
            format!(
                "write 0 to keep readings for ever, or {} days or more",
                super::RETENTION_DAYS_MIN
            ),
        );
    }
    findings.problems.sort_by_key(|problem| (problem.line, problem.column));
    (findings.problems, findings.remarks)
}

fn gateway(config: &Config, f: &mut Findings<'_>) {
    identifier("gateway.id", &config.gateway.id, f);
    if jiff::tz::TimeZone::get(&config.gateway.zone).is_err() {
        let zone = &config.gateway.zone;
        f.wrong("gateway.zone", format!("`{zone}` is no IANA time zone"), zone_help(zone));
    }
    let folder = &config.gateway.data_dir;
    let key = "gateway.data_dir";
    let user = "let the gateway's user own it, or choose another folder";
    match std::fs::metadata(folder) {
        Ok(there) if !there.is_dir() => {
            f.wrong(key, format!("{} is no folder", folder.display()), "name a folder");
        }
        Ok(_) if !writable(folder) => {
            f.wrong(key, format!("{} cannot be written to by this user", folder.display()), user);
        }
        Ok(_) => {}
        Err(_) => {
            let above = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
            if !writable(above) || !above.is_dir() {
                let message = format!("{} does not exist and cannot be made", folder.display());
                f.wrong(key, message, user);
            }
        }
    }
}

/// An id that stands in topics: short, plain, and nobody's name.
fn identifier(key: &str, id: &str, f: &mut Findings<'_>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > ID_MAX || !id.chars().all(plain) {
        f.wrong(
            key,
            format!("`{id}` cannot stand in a topic"),
            format!("use 1 to {ID_MAX} letters, digits, `-`, `_` or `.`"),
        );
    } else if looks_like_a_name(id) {
        f.wrong(
            key,
            format!("`{id}` looks like a person's name; it would stand in topics and logs"),
            "use an opaque id, for example `gw-7f3a`",
        );
    }
}

/// Whether an id looks like a person's name: `AnnaSchmidt`, `Anna.Schmidt`, `Anna-Schmidt` (two
/// capitalised words and nothing else).
pub fn looks_like_a_name(id: &str) -> bool {
    let mut words: Vec<String> = Vec::new();
    for c in id.chars() {
        match words.last_mut() {
            _ if c.is_uppercase() => words.push(c.to_string()),
            Some(word) if c.is_lowercase() => word.push(c),
            _ if matches!(c, ' ' | '.' | '-' | '_') => words.push(String::new()),
            _ => return false,
        }
    }
    words.retain(|word| !word.is_empty());
    words.len() >= 2
        && words.iter().all(|w| w.chars().count() >= 2 && w.starts_with(char::is_uppercase))
}

fn zone_help(zone: &str) -> String {
    let known: Vec<String> =
        jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let wanted = zone.to_lowercase();
    let city = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let near = known
        .iter()
        .map(|name| {
            let whole = strsim::damerau_levenshtein(&wanted, &name.to_lowercase());
            let last = strsim::damerau_levenshtein(&city(zone), &city(name));
            (whole.min(last), name)
        })
        .min();
    match near {
        Some((distance, name)) if distance <= 3 => format!("did you mean `{name}`?"),
        _ => "write it as `Europe/Berlin` or `America/New_York`".to_owned(),
    }
}

fn uplink(config: &Config, f: &mut Findings<'_>) {
    let uplink = &config.uplink;
    if uplink.host.is_empty() || uplink.host.contains(['/', ' ']) {
        f.wrong(
            "uplink.host",
            format!("`{}` is no host name", uplink.host),
            "write the name or address alone; the port has a setting of its own",
        );
    } else if let Some((host, port)) = uplink.host.rsplit_once(':')
        && !host.contains(':')
    {
        let help = format!("write `host = \"{host}\"` and `port = {port}`");
        f.wrong("uplink.host", "the port does not belong in the host's name", help);
    }
    if uplink.port == 0 {
        f.wrong("uplink.port", "port 0 does not exist", "1883 without TLS, 8883 with TLS");
    }
    match (uplink.port, uplink.tls.is_some()) {
        (8883, false) => f.remark(
            "uplink.port is 8883, on which brokers expect TLS, but there is no [uplink.tls].",
        ),
        (1883, true) => {
            f.remark("[uplink.tls] is set, but port 1883 is the one brokers use without TLS.");
        }
        _ => {}
    }
    if !(5..=3600).contains(&uplink.keepalive_s) {
        let n = uplink.keepalive_s;
        let help = if n > 3600 && n.is_multiple_of(1000) {
            format!("the unit is seconds: {n} milliseconds are {}", n / 1000)
        } else {
            "write seconds from 5 to 3600, for example 30".to_owned()
        };
        f.wrong("uplink.keepalive_s", format!("{n} seconds cannot be used"), help);
    }
    if !(1..=3650).contains(&uplink.retention_days) {
        f.wrong(
            "uplink.retention_days",
            format!("{} days cannot be used", uplink.retention_days),
            "write days from 1 to 3650, for example 30",
        );
    }
    for (at, consumer) in uplink.consumers.iter().enumerate() {
        identifier(&format!("uplink.consumers.{at}"), consumer, f);
        if uplink.consumers.iter().take(at).any(|other| other == consumer) {
            let message = format!("`{consumer}` stands twice in the list");
            f.wrong(&format!("uplink.consumers.{at}"), message, "name each consumer once");
        }
    }
    if uplink.enabled && uplink.consumers.is_empty() {
        f.remark(format!(
            "No consumer is named: messages are kept for {} days and then forgotten, confirmed or not.",
            uplink.retention_days
        ));
    }
    if let Some(path) = &uplink.password_file
        && let Some(text) = secret("uplink.password_file", path, f)
        && text.lines().filter(|line| !line.is_empty()).count() != 1
    {
        f.wrong(
            "uplink.password_file",
            format!("{} must have one line", path.display()),
            "the password alone; the user name is the setting uplink.username",
        );
    }
    if uplink.password_file.is_some() && uplink.username.is_none() {
        f.wrong(
            "uplink.password_file",
            "a password is given without a user name",
            "add `username = \"…\"`",
        );
    }
}

fn encryption(tls: &Tls, f: &mut Findings<'_>) {
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => f.wrong(
            "uplink.tls.certificate",
            "a certificate is given without its key",
            "add `key = \"…\"`, or leave both out",
        ),
        (None, Some(_)) => f.wrong(
            "uplink.tls.key",
            "a key is given without its certificate",
            "add `certificate = \"…\"`, or leave both out",
        ),
        _ => {}
    }
    if let Some(path) = &tls.ca {
        pem("uplink.tls.ca", path, readable("uplink.tls.ca", path, f), "CERTIFICATE", f);
    }
    if let Some(path) = &tls.certificate {
        let text = readable("uplink.tls.certificate", path, f);
        pem("uplink.tls.certificate", path, text, "CERTIFICATE", f);
    }
    if let Some(path) = &tls.key {
        pem("uplink.tls.key", path, secret("uplink.tls.key", path, f), "PRIVATE KEY", f);
    }
}

fn pem(key: &str, path: &Path, text: Option<String>, label: &str, f: &mut Findings<'_>) {
    let Some(text) = text else { return };
    let holds = |label: &str| {
        text.lines().any(|l| {
            l.starts_with("-----BEGIN ") && l.trim_end().ends_with(&format!("{label}-----"))
        })
    };
    if holds(label) {
        return;
    }
    let other = if label == "CERTIFICATE" { "PRIVATE KEY" } else { "CERTIFICATE" };
    let message = format!("{} holds no PEM block `{label}`", path.display());
    if holds(other) {
        f.wrong(key, message, "certificate and key seem to be swapped");
    } else {
        f.wrong(key, message, "give a PEM file (`-----BEGIN …-----`)");
    }
}

fn readable(key: &str, path: &Path, f: &mut Findings<'_>) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            let why = crate::cli::exit::plain(&error);
            f.wrong(
                key,
                format!("{} cannot be read: {why}", path.display()),
                "name an existing file that the gateway's user may read",
            );
            None
        }
    }
}

/// A file that only the gateway's user and group may read.
fn secret(key: &str, path: &Path, f: &mut Findings<'_>) -> Option<String> {
    let text = readable(key, path, f)?;
    if std::fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o007 != 0) {
        f.wrong(
            key,
            format!("{} can be read or changed by every user of this machine", path.display()),
            format!("chmod 640 {}", path.display()),
        );
    }
    Some(text)
}

fn embedded_broker(config: &Config, f: &mut Findings<'_>) {
    let broker = &config.embedded_broker;
    let Ok(listen) = broker.listen.parse::<SocketAddr>() else {
        f.wrong(
            "embedded_broker.listen",
            format!("`{}` is no address with a port", broker.listen),
            "write it as `127.0.0.1:1883`",
        );
        return;
    };
    if !broker.enabled {
        return;
    }
    if !cfg!(feature = "embedded-broker") {
        f.wrong(
            "embedded_broker.enabled",
            "this hearth was built without the embedded broker",
            "use another broker, or a build with the feature embedded-broker",
        );
    }
    if !listen.ip().is_loopback() && config.uplink.username.is_none() {
        f.wrong(
            "embedded_broker.listen",
            format!("on {listen} whoever reaches it could read and write everything"),
            "listen on 127.0.0.1, or set uplink.username and uplink.password_file",
        );
    }
    let uplink = &config.uplink;
    if uplink.enabled {
        let here = uplink.host == "localhost"
            || uplink.host.parse().is_ok_and(|ip: std::net::IpAddr| {
                ip == listen.ip() || (listen.ip().is_unspecified() && ip.is_loopback())
            });
        if !here || uplink.port != listen.port() {
            f.wrong(
                "embedded_broker.listen",
                format!(
                    "the broker listens on {listen}, but uplink sends to {}:{}",
                    uplink.host, uplink.port
                ),
                format!("set uplink.host to {} and uplink.port to {}", listen.ip(), listen.port()),
            );
        }
        if uplink.tls.is_some() {
            f.wrong(
                "uplink.tls",
                "the embedded broker speaks no TLS",
                "leave [uplink.tls] out, or use another broker",
            );
        }
    }
}

fn control(config: &Config, f: &mut Findings<'_>) {
    let control = &config.control;
    let octal = control.mode.strip_prefix("0o").unwrap_or(&control.mode);
    match u32::from_str_radix(octal, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => {
            if mode & 0o007 != 0 {
                f.wrong(
                    "control.mode",
                    format!("{} lets every user of this machine command the gateway", control.mode),
                    "write \"0660\" and give the group to those who may",
                );
            }
        }
        _ => f.wrong(
            "control.mode",
            format!("`{}` is no file mode", control.mode),
            "write it in octal with read and write for the owner, for example \"0660\"",
        ),
    }
    if let Some(group) = &control.group
        && group_id(group).is_none()
    {
        f.wrong(
            "control.group",
            format!("the group `{group}` is not known on this machine"),
            format!("groupadd --system {group}, or leave the setting out"),
        );
    }
    use std::os::unix::ffi::OsStrExt;
    for (key, socket) in
        [("control.socket", &control.socket), ("radio.socket", &config.radio.socket)]
    {
        let length = socket.as_os_str().as_bytes().len();
        if length > 107 {
            let message = format!("the path has {length} octets; a socket's has 107 at most");
            f.wrong(key, message, "choose a shorter path");
        }
    }
    if control.socket == config.radio.socket {
        f.wrong(
            "control.socket",
            "the control socket and the radio's socket are the same file",
            "give each its own path",
        );
    }
}

fn radio(config: &Config, f: &mut Findings<'_>) {
    let radio = &config.radio;
    if let Some(folder) = &radio.models
        && !folder.is_dir()
    {
        f.wrong(
            "radio.models",
            format!("{} is no folder", folder.display()),
            "make it, or leave the setting out: the models that come with Hearth are always there",
        );
    }
    let command = &radio.restart_command;
    if let Some(program) = command.first() {
        let key = "radio.restart_command";
        if command.iter().any(|word| word.is_empty() || word.contains('\0')) {
            f.wrong(key, "one of its words is empty", "write only the words of the command");
        } else if command.len() == 1 && program.contains(' ') {
            let words: Vec<String> =
                program.split_whitespace().map(|word| format!("{word:?}")).collect();
            let help = format!("write each word by itself: [{}]", words.join(", "));
            f.wrong(key, "the whole command stands in one word", help);
        } else if !can_be_run(program) {
            f.wrong(
                key,
                format!("there is no program `{program}` that this user may run"),
                "name an existing program, or leave the list empty: staff are told instead",
            );
        }
    }
    if let Some(name) = radio.adapter.bluetooth() {
        if !Path::new("/sys/class/bluetooth").join(name).exists() {
            f.remark(format!(
                "This machine has no Bluetooth adapter {name} now; the gateway waits for it: \
                 hearth devices doctor."
            ));
        }
        if command.is_empty() {
            f.remark(
                "radio.restart_command is empty: if the Bluetooth service stops answering, \
                 somebody must restart it.",
            );
        }
    }
}

/// Whether the program is a file that may be run, as named or in one of the folders of `PATH`.
fn can_be_run(program: &str) -> bool {
    let runs = |path: &Path| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if program.contains('/') {
        return runs(Path::new(program));
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin".into());
    std::env::split_paths(&folders).any(|folder| runs(&folder.join(program)))
}

fn files(config: &Config, f: &mut Findings<'_>) {
    if let Some(path) = &config.household.file {
        readable("household.file", path, f);
    }
    if let Some(folder) = &config.programmes.folder
        && !folder.is_dir()
    {
        f.wrong(
            "programmes.folder",
            format!("{} is no folder", folder.display()),
            "make it, or leave the setting out: the programmes that come with Hearth are always there",
        );
    }
}

fn writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}
