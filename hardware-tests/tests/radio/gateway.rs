//! The gateway as a process in the guest, driven through the agent.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hearth_hardware_tests::virtual_radio::VirtualRadio;

/// Where the gateway's embedded broker listens in the guest.
pub(crate) const BROKER_PORT: u16 = 1883;
/// Longest start of the gateway.
const START: Duration = Duration::from_secs(90);

const CONFIG: &str = "[gateway]\nid = \"gw\"\nzone = \"Europe/Madrid\"\ndata_dir = \".\"\n\
    [uplink]\nport = 1883\nconsumers = []\n[embedded_broker]\nenabled = true\nlisten = \"127.0.0.1:1883\"\n\
    [radio]\nadapter = \"simulated\"\n[control]\nsocket = \"control.sock\"\n[clock]\nrequire_sync = false\n";

pub(crate) fn a_gateway_runs_in_the_guest_and_its_broker_is_reached_from_here(
    radio: &VirtualRadio,
) -> anyhow::Result<()> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/hearth");
    if !program.is_file() {
        eprintln!(
            "radio:   skipped: {} is not there; cargo build -p hearth-gateway --bins",
            program.display()
        );
        return Ok(());
    }
    let program = program.canonicalize()?;
    std::fs::write(radio.shared("hearth.toml"), CONFIG)?;
    let start = format!(
        "mkdir -p /var/lib/hearth && cp /out/hearth.toml /var/lib/hearth/ && cd /var/lib/hearth && \
         ({} run --config hearth.toml >/out/hearth.log 2>&1 & echo $! >/run/hearth.pid)",
        program.display()
    );
    let ran = radio.run(&start)?;
    ensure!(ran.status == 0, "{}", ran.output);
    let deadline = Instant::now() + START;
    while let Err(error) = greets(radio.port(BROKER_PORT)) {
        let log = std::fs::read_to_string(radio.shared("hearth.log")).unwrap_or_default();
        ensure!(Instant::now() < deadline, "no broker: {error:#}; the gateway says: {log}");
        std::thread::sleep(Duration::from_millis(300));
    }
    let status = radio
        .run(&format!("cd /var/lib/hearth && {} status --config hearth.toml", program.display()))?;
    ensure!(status.output.contains("radio"), "{status:?}");
    let ended =
        radio.run("kill $(cat /run/hearth.pid); tail --pid=$(cat /run/hearth.pid) -f /dev/null")?;
    ensure!(ended.status == 0, "{ended:?}");
    Ok(())
}

/// An MQTT 5 CONNECT that is answered with success.
fn greets(port: u16) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04test")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).context("no CONNACK")?;
    ensure!(answer[0] == 0x20 && answer[3] == 0, "refused: {answer:?}");
    Ok(())
}
