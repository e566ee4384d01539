//! QEMU's `lm3s6965evb`: its card, serial ports, buttons and screen, driven over Unix sockets in a folder.
//!
//! Learned about it: it is held by `-S` until somebody listens, or the first octets are lost; its pad reads
//! "pressed" until a button was released once; the card image's size must be a power of two.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::picture::{HEIGHT, Picture, WIDTH};

/// Blocks of the card before the flash; the last of them holds the serial number.
const BLOCKS_BEFORE: usize = 64;
const CARD_SIZE: usize = 1 << 20;

/// Where the emulator is, if it is installed.
pub fn emulator() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("qemu-system-arm")).find(|file| file.is_file())
}

/// A button of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// The uppermost.
    First,
    /// The one in the middle.
    Second,
    /// The lowest.
    Third,
}

/// A new card: erased flash, and this serial number.
///
/// # Errors
/// When the file cannot be written.
pub fn blank_card(file: &Path, serial: u64) -> Result<()> {
    let mut card = vec![0xFF; CARD_SIZE];
    let at = (BLOCKS_BEFORE - 1) * 512;
    card[at..at + 8].copy_from_slice(&serial.to_be_bytes());
    std::fs::write(file, card).context("writing the card")
}

/// A running board. Dropping it is a power cut.
pub struct Board {
    process: Child,
    folder: PathBuf,
    /// The line to the gateway.
    pub line: UnixStream,
    sensors: UnixStream,
    control: BufReader<UnixStream>,
}

fn connect(file: &Path) -> Result<UnixStream> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match UnixStream::connect(file) {
            Ok(stream) => return Ok(stream),
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            Err(fault) => bail!("the emulator does not listen at {}: {fault}", file.display()),
        }
    }
}

impl Board {
    /// Starts the program with this card; `folder` takes sockets and pictures.
    ///
    /// # Errors
    /// When the emulator does not start.
    pub fn start(emulator: &Path, program: &Path, card: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let socket = |name: &str| {
            let file = folder.join(name);
            let _ = std::fs::remove_file(&file);
            file
        };
        let (line, sensors, control) = (socket("line"), socket("sensors"), socket("control"));
        let listen = |file: &Path| format!("unix:{},server=on,wait=off", file.display());
        let process = Command::new(emulator)
            .args(["-machine", "lm3s6965evb", "-display", "none", "-monitor", "none", "-S"])
            .arg("-kernel")
            .arg(program)
            .arg("-drive")
            .arg(format!("if=sd,format=raw,file={}", card.display()))
            .args(["-serial", &listen(&line), "-serial", &listen(&sensors)])
            .args(["-qmp", &listen(&control)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It says that a timer has period zero, once at each start.
            .stderr(Stdio::null())
            .spawn()
            .context("starting the emulator")?;
        let opened = (|| -> Result<_> {
            let line = connect(&line)?;
            line.set_read_timeout(Some(Duration::from_millis(20)))?;
            Ok((line, connect(&sensors)?, connect(&control)?))
        })();
        let mut process = process;
        let (line, sensors, control) = match opened {
            Ok(opened) => opened,
            Err(fault) => {
                let _ = process.kill();
                let _ = process.wait();
                return Err(fault);
            }
        };
        control.set_read_timeout(Some(Duration::from_secs(20)))?;
        let control = BufReader::new(control);
        let mut board = Self { process, folder: folder.to_owned(), line, sensors, control };
        let mut greeting = String::new();
        board.control.read_line(&mut greeting)?;
        board.order("qmp_capabilities", &json!({}))?;
        board.order("cont", &json!({}))?;
        // The pad reads "pressed" until it was released.
        for button in [Button::First, Button::Second, Button::Third] {
            board.hold(button, Duration::from_millis(10))?;
        }
        Ok(board)
    }

    fn order(&mut self, command: &str, arguments: &Value) -> Result<()> {
        let order = json!({ "execute": command, "arguments": arguments });
        self.control.get_mut().write_all(format!("{order}\n").as_bytes())?;
        loop {
            let mut answer = String::new();
            if self.control.read_line(&mut answer)? == 0 {
                bail!("the emulator has gone");
            }
            let answer: Value = serde_json::from_str(&answer)?;
            if let Some(fault) = answer.get("error") {
                bail!("{command}: {fault}");
            }
            // Events come in between.
            if answer.get("return").is_some() {
                return Ok(());
            }
        }
    }

    fn key(&mut self, button: Button, down: bool) -> Result<()> {
        let name = match button {
            Button::First => "up",
            Button::Second => "right",
            Button::Third => "down",
        };
        let key = json!({ "type": "qcode", "data": name });
        let event = json!({ "type": "key", "data": { "down": down, "key": key } });
        self.order("input-send-event", &json!({ "events": [event] }))
    }

    /// Holds a button for this long.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn hold(&mut self, button: Button, long: Duration) -> Result<()> {
        self.key(button, true)?;
        std::thread::sleep(long);
        self.key(button, false)?;
        std::thread::sleep(Duration::from_millis(30));
        Ok(())
    }

    /// Presses a button.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn press(&mut self, button: Button) -> Result<()> {
        self.hold(button, Duration::from_millis(60))
    }

    /// A sensor measured: quantity code and value in its fine unit.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn measure(&mut self, quantity: u8, value: i32) -> Result<()> {
        Ok(self.sensors.write_all(format!("{quantity} {value}\n").as_bytes())?)
    }

    /// Makes the program hang; the watchdog is to notice.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn hang(&mut self) -> Result<()> {
        Ok(self.sensors.write_all(b"!hang\n")?)
    }

    /// Makes the program meet a fault of its own.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn fault(&mut self) -> Result<()> {
        Ok(self.sensors.write_all(b"!fault\n")?)
    }

    /// The reset button: what is in memory stays, what runs does not.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn reset(&mut self) -> Result<()> {
        self.order("system_reset", &json!({}))?;
        for button in [Button::First, Button::Second, Button::Third] {
            self.hold(button, Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// What the hub has sent within the next 20 ms.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn hear(&mut self) -> Result<Vec<u8>> {
        let mut octets = vec![0; 4096];
        match self.line.read(&mut octets) {
            Ok(0) => bail!("the emulator has gone"),
            Ok(count) => {
                octets.truncate(count);
                Ok(octets)
            }
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(Vec::new())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Sends octets to the hub.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn say(&mut self, octets: &[u8]) -> Result<()> {
        Ok(self.line.write_all(octets)?)
    }

    /// What is on the screen: lit where it is not black.
    ///
    /// # Errors
    /// When the emulator has gone or the picture makes no sense.
    pub fn screen(&mut self) -> Result<Picture> {
        let file = self.folder.join("screen.ppm");
        self.order("screendump", &json!({ "filename": file.display().to_string() }))?;
        let ppm = std::fs::read(&file)?;
        // P6, size, depth, pixels of three octets.
        let mut parts = ppm.splitn(4, |octet| *octet == b'\n');
        let (Some(b"P6"), Some(size), Some(_), Some(pixels)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            bail!("no picture");
        };
        let (wide, high) = std::str::from_utf8(size)?.split_once(' ').context("no size")?;
        let (wide, high): (usize, usize) = (wide.parse()?, high.parse()?);
        let scale = wide / WIDTH;
        if scale == 0 || high != HEIGHT * scale || pixels.len() != wide * high * 3 {
            bail!("a picture of {wide} by {high}");
        }
        let lit = (0..WIDTH * HEIGHT)
            .map(|i| pixels[(i / WIDTH * scale * wide + i % WIDTH * scale) * 3] > 0);
        Picture::from_pixels(lit.collect()).context("no picture")
    }

    /// A part of the board's memory.
    ///
    /// # Errors
    /// When the emulator has gone.
    pub fn memory(&mut self, address: u32, size: u32) -> Result<Vec<u8>> {
        let file = self.folder.join("memory");
        let name = file.display().to_string();
        self.order("pmemsave", &json!({ "val": address, "size": size, "filename": name }))?;
        Ok(std::fs::read(&file)?)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // Nothing is left to be told if it has gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
