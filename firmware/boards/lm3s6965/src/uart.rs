//! The serial ports (PL011): received by interrupt into a buffer, sent octet by octet.

use core::cell::RefCell;

use critical_section::Mutex;
use heapless::Deque;

use crate::pins::Port;
use crate::registers::{Line, read, unmask, write};

const UART0: u32 = 0x4000_C000;
const UART1: u32 = 0x4000_D000;

/// Receive level, receive time-out.
const RECEIVE: u32 = (1 << 4) | (1 << 6);

/// Two of the longest frames: the loop is never busy for longer.
const BUFFER: usize = 1536;

type Buffer = Mutex<RefCell<Deque<u8, BUFFER>>>;
static BUFFERS: [Buffer; 2] =
    [Mutex::new(RefCell::new(Deque::new())), Mutex::new(RefCell::new(Deque::new()))];

/// A serial port.
pub struct Serial {
    base: u32,
    buffer: &'static Buffer,
}

impl Serial {
    /// Port 0: the gateway.
    pub fn gateway() -> Self {
        Port::A.alternate(0b11);
        Self::open(UART0, Line::Uart0, &BUFFERS[0])
    }

    /// Port 1: where sensors are, in the emulator.
    pub fn sensors() -> Self {
        Port::D.alternate(0b1100);
        Self::open(UART1, Line::Uart1, &BUFFERS[1])
    }

    fn open(base: u32, line: Line, buffer: &'static Buffer) -> Self {
        write(base + 0x30, 0);
        // 115200 baud of 50 MHz: 50,000,000 / (16 * 115,200) is 27 + 8/64.
        write(base + 0x24, 27);
        write(base + 0x28, 8);
        // Eight bits, FIFOs.
        write(base + 0x2C, 0x70);
        write(base + 0x38, RECEIVE);
        write(base + 0x30, 0x301);
        unmask(line);
        Self { base, buffer }
    }

    /// Takes what has come, as much as `place` holds.
    pub fn read(&mut self, place: &mut [u8]) -> usize {
        critical_section::with(|cs| {
            let mut buffer = self.buffer.borrow_ref_mut(cs);
            let mut count = 0;
            for octet in place.iter_mut() {
                let Some(next) = buffer.pop_front() else { break };
                *octet = next;
                count += 1;
            }
            drop(buffer);
            if count > 0 && read(self.base + 0x38) == 0 {
                // The buffer had been full.
                take(self.base, self.buffer);
            }
            count
        })
    }

    /// Something has come.
    pub fn has_come(&self) -> bool {
        critical_section::with(|cs| !self.buffer.borrow_ref(cs).is_empty())
    }

    /// Sends as much as fits without waiting, and says how much that was.
    pub fn write(&mut self, octets: &[u8]) -> usize {
        let mut count = 0;
        for octet in octets {
            if read(self.base + 0x18) & (1 << 5) != 0 {
                break;
            }
            write(self.base, u32::from(*octet));
            count += 1;
        }
        count
    }
}

fn take(base: u32, buffer: &Buffer) {
    write(base + 0x44, RECEIVE);
    critical_section::with(|cs| {
        let mut buffer = buffer.borrow_ref_mut(cs);
        // At most what the FIFO holds, or room is short.
        while read(base + 0x18) & (1 << 4) == 0 {
            if buffer.is_full() {
                // The rest stays in the FIFO; the reader turns the interrupt on again.
                write(base + 0x38, 0);
                return;
            }
            let _ = buffer.push_back((read(base) & 0xFF) as u8);
        }
        write(base + 0x38, RECEIVE);
    });
}

pub(crate) fn on_interrupt(port: usize) {
    match port {
        0 => take(UART0, &BUFFERS[0]),
        _ => take(UART1, &BUFFERS[1]),
    }
}
