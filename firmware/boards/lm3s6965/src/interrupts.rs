//! The handlers. The chip has no crate of its own with a vector for each, so one handler sorts them.

use crate::pins::Port;
use crate::registers::Line;
use crate::{time, uart};

#[cortex_m_rt::exception]
fn SysTick() {
    time::wrapped();
}

#[cortex_m_rt::exception]
#[allow(unsafe_code)]
// The macro asks for it: a handler of everything must not rely on who calls it, and this one does not.
unsafe fn DefaultHandler(number: i16) {
    let is = |line: Line| number == line as i16;
    if is(Line::Uart0) {
        uart::on_interrupt(0);
    } else if is(Line::Uart1) {
        uart::on_interrupt(1);
    } else if is(Line::Timer0A) {
        time::alarm_rang();
    } else if is(Line::PortE) {
        Port::E.clear_interrupts();
    } else if is(Line::PortF) {
        Port::F.clear_interrupts();
    }
}
