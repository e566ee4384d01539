#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::os::unix::fs::PermissionsExt;

use super::*;

const EXAMPLE: &str = include_str!("../../hearth.example.toml");

/// `key: message | help`, in the order of lines.
fn problems(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    problems_in(folder.path(), text)
}

fn problems_in(folder: &Path, text: &str) -> Vec<String> {
    let text = format!("{text}\n[gateway]\ndata_dir = {:?}\n", folder.display().to_string());
    match parse(&folder.join("hearth.toml"), &text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|p| format!("{}: {} | {}", p.key, p.message, p.help.clone().unwrap_or_default()))
            .collect(),
    }
}

#[test]
fn the_example_has_every_setting_with_its_default() {
    let read: Config = toml::from_str(EXAMPLE).unwrap();
    assert_eq!(read, Config::default());
    // Uncommented, the optional settings are known keys, too, and every key stands in the example.
    let whole: String = EXAMPLE
        .lines()
        .map(|line| {
            let bare = line.trim_start_matches("# ");
            let setting = bare.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
            if line.starts_with("# ") && (setting || bare.starts_with('[')) { bare } else { line }
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let table: toml::Table = whole.parse().unwrap();
    assert_eq!(keys(&table, ""), keys(&misplaced::every_key(), ""));
    whole.parse::<toml::Table>().unwrap().try_into::<Config>().unwrap();
}

fn keys(table: &toml::Table, above: &str) -> std::collections::BTreeSet<String> {
    table
        .iter()
        .flat_map(|(key, value)| match value.as_table() {
            Some(inner) => keys(inner, &format!("{above}{key}.")),
            None => [format!("{above}{key}")].into(),
        })
        .collect()
}

#[test]
fn five_mistakes_are_five_problems_with_lines_and_remedies() {
    let text = "[uplink]\nkeepalive_ms = 60000\nhots = \"broker\"\nport = \"1883\"\n\
                [log]\nlevel = \"loud\"\n[control]\nmode = \"0666\"\n";
    let found = problems(text);
    assert_eq!(found.len(), 5, "{found:#?}");
    for (at, expected) in [
        "uplink.keepalive_ms: `keepalive_ms` has the wrong unit: this setting is in seconds | \
         write `keepalive_s = 60` for 60000 milliseconds",
        "uplink.hots: unknown key `hots` | did you mean `host`?",
        "uplink.port: expected",
        "log.level: `loud` is not an allowed value",
        "control.mode: 0666 lets every user of this machine command the gateway",
    ]
    .iter()
    .enumerate()
    {
        assert!(found[at].starts_with(expected), "{}\n{expected}", found[at]);
    }
}

#[test]
fn a_key_in_the_wrong_table_is_sent_where_it_belongs() {
    assert_eq!(
        problems("[radio]\nport = 1883"),
        ["radio.port: `port` does not belong here | it belongs in [uplink]"]
    );
    assert_eq!(
        problems("[uplink]\nkeepalive = 30"),
        ["uplink.keepalive: `keepalive` has no unit | write `keepalive_s`, in seconds"]
    );
}

#[test]
fn values_that_cannot_be_are_named() {
    for (text, start) in [
        (
            "[uplink]\nkeepalive_s = 60000",
            "uplink.keepalive_s: 60000 seconds cannot be used | the unit",
        ),
        ("[uplink]\nhost = \"mqtt://broker\"", "uplink.host: `mqtt://broker` is no host name"),
        ("[uplink]\nhost = \"broker:1884\"", "uplink.host: the port does not belong"),
        ("[uplink]\nconsumers = [\"ehr\", \"ehr\"]", "uplink.consumers.1: `ehr` stands twice"),
        ("[uplink]\nconsumers = [\"a/b\"]", "uplink.consumers.0: `a/b` cannot stand in a topic"),
        ("[uplink]\nconsumers = [\"AnnaSchmidt\"]", "uplink.consumers.0: `AnnaSchmidt` looks like"),
        ("[uplink]\nretention_days = 0", "uplink.retention_days: 0 days"),
        ("[uplink.tls]\ncertificate = \"nowhere.pem\"", "uplink.tls.certificate: a certificate is"),
        ("[uplink.tls]\nca = \"nowhere.pem\"", "uplink.tls.ca: "),
        (
            "[embedded_broker]\nenabled = true\nlisten = \"127.0.0.1:1999\"",
            "embedded_broker.listen: the broker listens on 127.0.0.1:1999, but uplink sends to",
        ),
        ("[control]\ngroup = \"no-such-group-here\"", "control.group: the group"),
        ("[control]\nmode = \"rw\"", "control.mode: `rw` is no file mode"),
        ("[household]\nfile = \"nowhere.toml\"", "household.file: "),
        ("[programmes]\nfolder = \"nowhere\"", "programmes.folder: "),
        (
            "[radio]\nadapter = \"hci\"",
            "radio.adapter: `hci` is not an allowed value | did you mean `hci0`?",
        ),
        (
            "[radio]\nadapter = \"bluetooth\"",
            "radio.adapter: `bluetooth` is not an allowed value | allowed: none, simulated, hci0",
        ),
        ("[radio]\nmodels = \"nowhere\"", "radio.models: "),
        (
            "[radio]\nrestart_command = [\"systemctl restart bluetooth\"]",
            "radio.restart_command: the whole command stands in one word | write each word by itself: \
             [\"systemctl\", \"restart\", \"bluetooth\"]",
        ),
        (
            "[radio]\nrestart_command = [\"no-such-program-here\", \"x\"]",
            "radio.restart_command: there is no program `no-such-program-here`",
        ),
        ("[radio]\nrestart_command = [\"\"]", "radio.restart_command: one of its words is empty"),
        ("[store]\nretention_days = 30", "store.retention_days: 30 days are too short"),
        ("[store]\ndisk_alarm_mib = 0", "store.disk_alarm_mib: 0 would"),
    ] {
        let found = problems(text);
        assert!(found.first().is_some_and(|p| p.starts_with(start)), "{text}\n{found:#?}");
    }
}

#[test]
fn a_zone_gets_the_nearest_known_one() {
    let path = std::env::temp_dir();
    let text =
        format!("[gateway]\nzone = \"Europe/Berln\"\ndata_dir = {:?}", path.display().to_string());
    let problems = parse(&path.join("hearth.toml"), &text).unwrap_err();
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `Europe/Berlin`?"));
    assert_eq!(problems[0].line, 2);
}

#[test]
fn secrets_that_everybody_can_read_and_swapped_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str, mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
    put("c.pem", certificate, 0o644);
    put("k.pem", key, 0o600);
    put("open.pem", key, 0o644);
    put(
        "password", "word
", 0o600,
    );
    put(
        "two",
        "user
word
",
        0o600,
    );
    let tls = |c: &str, k: &str| {
        problems_in(folder.path(), &format!("[uplink.tls]\ncertificate = {c:?}\nkey = {k:?}"))
    };
    assert!(tls("c.pem", "k.pem").is_empty());
    assert!(tls("c.pem", "open.pem")[0].contains("every user of this machine"));
    let swapped = tls("k.pem", "c.pem");
    assert!(swapped[0].contains("swapped"), "{swapped:#?}");
    let login = |name: &str| {
        let text = format!("[uplink]\nusername = \"u\"\npassword_file = {name:?}");
        problems_in(folder.path(), &text)
    };
    assert!(login("password").is_empty());
    assert!(login("two")[0].contains("must have one line"));
}

#[test]
fn names_are_told_from_ids() {
    for name in ["AnnaSchmidt", "Anna.Schmidt", "Anna-Maria-Schmidt", "Jean Luc"] {
        assert!(check::looks_like_a_name(name), "{name}");
    }
    for id in ["gateway-1", "EHR", "ward", "Ward-7", "p1", "gw-7f3a", "ICU"] {
        assert!(!check::looks_like_a_name(id), "{id}");
    }
}

#[test]
fn the_socket_is_found_in_a_file_that_is_wrong_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hearth.toml");
    std::fs::write(&file, "[gateway]\ndata_dir = \"d\"\n[control]\nsocket = \"c.sock\"\n[x]\ny=1")
        .unwrap();
    let expected = std::path::absolute(folder.path().join("d/c.sock")).unwrap();
    assert_eq!(control_socket_of(&file), Some(expected));
}

#[test]
fn a_file_without_an_end_is_refused_and_a_dot_leaves_no_trace_in_a_path() {
    let endless = load(std::path::Path::new("/dev/zero")).unwrap_err();
    let ConfigError::Unreadable { source, .. } = endless else { panic!("{endless}") };
    assert!(source.to_string().contains("4 MiB"), "{source}");

    let file = std::path::Path::new("/somewhere/hearth.toml");
    let loaded = parse(file, "[gateway]\nid = \"g\"\ndata_dir = \".\"\n").unwrap();
    assert_eq!(loaded.config.gateway.data_dir.display().to_string(), "/somewhere");
    assert_eq!(loaded.config.database().display().to_string(), "/somewhere/hearth.db");
}

#[test]
fn a_bluetooth_adapter_is_named_and_what_it_lacks_is_remarked() {
    let folder = tempfile::tempdir().unwrap();
    let read = |radio: &str| {
        let data = folder.path().display().to_string();
        let text = format!("[gateway]\ndata_dir = {data:?}\n[radio]\n{radio}");
        parse(&folder.path().join("hearth.toml"), &text).unwrap()
    };
    let bare = read("adapter = \"hci97\"");
    assert_eq!(bare.config.radio.adapter, Adapter::Bluetooth("hci97".to_owned()));
    let said = |loaded: &Loaded, part: &str| loaded.remarks.iter().any(|r| r.contains(part));
    assert!(said(&bare, "no Bluetooth adapter hci97"), "{:?}", bare.remarks);
    assert!(said(&bare, "restart_command is empty"), "{:?}", bare.remarks);
    std::fs::create_dir(folder.path().join("own")).unwrap();
    let whole = read(
        "adapter = \"hci97\"\nmodels = \"own\"\nrestart_command = [\"/bin/sh\", \"-c\", \"true\"]",
    );
    assert!(!said(&whole, "restart_command"), "{:?}", whole.remarks);
    assert_eq!(
        whole.config.radio.models,
        Some(std::path::absolute(folder.path().join("own")).unwrap())
    );
}
