//! Terminal modes: raw mode for the client's side, and the encoded modes of
//! `pty-req` (RFC 4254 section 8) in both directions.

use std::io;
use std::os::fd::AsFd;

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcsetattr,
};

/// End of the encoded modes (RFC 4254 section 8).
const TTY_OP_END: u8 = 0;
/// Input baud rate.
const TTY_OP_ISPEED: u8 = 128;
/// Output baud rate.
const TTY_OP_OSPEED: u8 = 129;
/// A control character that is switched off travels as this.
const DISABLED: u32 = 255;

/// Special characters by opcode. The ones that Linux lacks (VDSUSP, VSTATUS,
/// VFLUSH) are absent.
const CHARS: &[(u8, SpecialCodeIndex)] = &[
    (1, SpecialCodeIndex::VINTR),
    (2, SpecialCodeIndex::VQUIT),
    (3, SpecialCodeIndex::VERASE),
    (4, SpecialCodeIndex::VKILL),
    (5, SpecialCodeIndex::VEOF),
    (6, SpecialCodeIndex::VEOL),
    (7, SpecialCodeIndex::VEOL2),
    (8, SpecialCodeIndex::VSTART),
    (9, SpecialCodeIndex::VSTOP),
    (10, SpecialCodeIndex::VSUSP),
    (12, SpecialCodeIndex::VREPRINT),
    (13, SpecialCodeIndex::VWERASE),
    (14, SpecialCodeIndex::VLNEXT),
    (18, SpecialCodeIndex::VDISCARD),
];

/// Input flags by opcode.
const INPUT: &[(u8, InputModes)] = &[
    (30, InputModes::IGNPAR),
    (31, InputModes::PARMRK),
    (32, InputModes::INPCK),
    (33, InputModes::ISTRIP),
    (34, InputModes::INLCR),
    (35, InputModes::IGNCR),
    (36, InputModes::ICRNL),
    (37, InputModes::IUCLC),
    (38, InputModes::IXON),
    (39, InputModes::IXANY),
    (40, InputModes::IXOFF),
    (41, InputModes::IMAXBEL),
    (42, InputModes::IUTF8),
];

/// Local flags by opcode.
const LOCAL: &[(u8, LocalModes)] = &[
    (50, LocalModes::ISIG),
    (51, LocalModes::ICANON),
    (52, LocalModes::XCASE),
    (53, LocalModes::ECHO),
    (54, LocalModes::ECHOE),
    (55, LocalModes::ECHOK),
    (56, LocalModes::ECHONL),
    (57, LocalModes::NOFLSH),
    (58, LocalModes::TOSTOP),
    (59, LocalModes::IEXTEN),
    (60, LocalModes::ECHOCTL),
    (61, LocalModes::ECHOKE),
    (62, LocalModes::PENDIN),
];

/// Output flags by opcode.
const OUTPUT: &[(u8, OutputModes)] = &[
    (70, OutputModes::OPOST),
    (71, OutputModes::OLCUC),
    (72, OutputModes::ONLCR),
    (73, OutputModes::OCRNL),
    (74, OutputModes::ONOCR),
    (75, OutputModes::ONLRET),
];

/// The modes of one terminal at one moment.
#[derive(Clone, Debug)]
pub struct Modes(Termios);

impl Modes {
    /// The modes of the terminal `fd`.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        Ok(Self(tcgetattr(fd)?))
    }

    /// Sets them on `fd` once its pending output has been written.
    pub fn apply(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(tcsetattr(fd, OptionalActions::Drain, &self.0)?)
    }

    /// Sets them on `fd` at once.
    pub fn apply_now(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(tcsetattr(fd, OptionalActions::Now, &self.0)?)
    }

    /// Sets them on `fd`, throwing away input that nobody has read.
    pub fn apply_flush(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(tcsetattr(fd, OptionalActions::Flush, &self.0)?)
    }

    /// The same terminal in raw mode: each key goes to the far side unseen.
    pub fn raw(&self) -> Self {
        let mut t = self.0.clone();
        t.input_modes |= InputModes::IGNPAR;
        t.input_modes.remove(
            InputModes::ISTRIP
                | InputModes::INLCR
                | InputModes::IGNCR
                | InputModes::ICRNL
                | InputModes::IXON
                | InputModes::IXANY
                | InputModes::IXOFF
                | InputModes::IUCLC,
        );
        t.local_modes.remove(
            LocalModes::ISIG
                | LocalModes::ICANON
                | LocalModes::ECHO
                | LocalModes::ECHOE
                | LocalModes::ECHOK
                | LocalModes::ECHONL
                | LocalModes::IEXTEN,
        );
        t.output_modes.remove(OutputModes::OPOST);
        t.special_codes[SpecialCodeIndex::VMIN] = 1;
        t.special_codes[SpecialCodeIndex::VTIME] = 0;
        Self(t)
    }

    /// The same terminal without echo, lines still edited (for a password).
    pub fn silent(&self) -> Self {
        let mut t = self.0.clone();
        t.local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK | LocalModes::ECHONL);
        Self(t)
    }

    /// Whether typed characters are echoed.
    pub fn echoes(&self) -> bool {
        self.0.local_modes.contains(LocalModes::ECHO)
    }

    /// As the `modes` string of `pty-req`.
    pub fn encode(&self) -> Vec<u8> {
        let t = &self.0;
        let mut out = Vec::with_capacity(280);
        let mut put = |op: u8, value: u32| {
            out.push(op);
            out.extend_from_slice(&value.to_be_bytes());
        };
        put(TTY_OP_OSPEED, t.output_speed());
        put(TTY_OP_ISPEED, t.input_speed());
        for &(op, index) in CHARS {
            let c = t.special_codes[index];
            put(op, if c == 0 { DISABLED } else { u32::from(c) });
        }
        for &(op, flag) in INPUT {
            put(op, u32::from(t.input_modes.contains(flag)));
        }
        for &(op, flag) in LOCAL {
            put(op, u32::from(t.local_modes.contains(flag)));
        }
        for &(op, flag) in OUTPUT {
            put(op, u32::from(t.output_modes.contains(flag)));
        }
        let size = t.control_modes & ControlModes::CSIZE;
        put(90, u32::from(size == ControlModes::CS7));
        put(91, u32::from(size == ControlModes::CS8));
        put(
            92,
            u32::from(t.control_modes.contains(ControlModes::PARENB)),
        );
        put(
            93,
            u32::from(t.control_modes.contains(ControlModes::PARODD)),
        );
        out.push(TTY_OP_END);
        out
    }

    /// Takes over what `modes` (of a `pty-req`) says. Unknown opcodes below
    /// 160 are skipped, as RFC 4254 section 8 asks; at one of 160 and above,
    /// or at a cut value, reading stops.
    pub fn decode_into(&mut self, modes: &[u8]) {
        let mut rest = modes;
        while let [op @ 1..160, a, b, c, d, tail @ ..] = rest {
            self.set(*op, u32::from_be_bytes([*a, *b, *c, *d]));
            rest = tail;
        }
    }

    /// Sets one mode.
    fn set(&mut self, op: u8, value: u32) {
        let t = &mut self.0;
        let on = value != 0;
        if let Some((_, index)) = CHARS.iter().find(|(o, _)| *o == op) {
            t.special_codes[*index] = if value == DISABLED {
                0
            } else {
                u8::try_from(value).unwrap_or(0)
            };
        } else if let Some((_, flag)) = INPUT.iter().find(|(o, _)| *o == op) {
            t.input_modes.set(*flag, on);
        } else if let Some((_, flag)) = LOCAL.iter().find(|(o, _)| *o == op) {
            t.local_modes.set(*flag, on);
        } else if let Some((_, flag)) = OUTPUT.iter().find(|(o, _)| *o == op) {
            t.output_modes.set(*flag, on);
        } else {
            match op {
                // An odd speed that this system cannot set is no reason to
                // refuse the terminal.
                TTY_OP_ISPEED => drop(t.set_input_speed(value)),
                TTY_OP_OSPEED => drop(t.set_output_speed(value)),
                90 if on => size(t, ControlModes::CS7),
                91 if on => size(t, ControlModes::CS8),
                92 => t.control_modes.set(ControlModes::PARENB, on),
                93 => t.control_modes.set(ControlModes::PARODD, on),
                _ => {}
            }
        }
    }
}

/// Sets the character size.
fn size(t: &mut Termios, size: ControlModes) {
    t.control_modes.remove(ControlModes::CSIZE);
    t.control_modes.insert(size);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    fn terminal() -> std::fs::File {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = std::fs::File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        // The slave stays usable for mode changes while the master is open;
        // leaking one descriptor per test is fine.
        std::mem::forget(master);
        slave
    }

    #[test]
    fn modes_survive_the_wire() {
        let tty = terminal();
        let cooked = Modes::of(&tty).unwrap();
        let mut target = cooked.raw();
        assert_ne!(target.encode(), cooked.encode());
        target.decode_into(&cooked.encode());
        assert_eq!(target.encode(), cooked.encode());
    }

    #[test]
    fn raw_takes_no_signal_and_silent_no_echo() {
        let tty = terminal();
        let cooked = Modes::of(&tty).unwrap();
        cooked.raw().apply_now(&tty).unwrap();
        let now = Modes::of(&tty).unwrap();
        assert!(
            !now.0
                .local_modes
                .contains(LocalModes::ISIG | LocalModes::ECHO)
        );
        assert!(cooked.echoes() && !cooked.silent().echoes());
        cooked.apply(&tty).unwrap();
        assert_eq!(Modes::of(&tty).unwrap().encode(), cooked.encode());
    }

    #[test]
    fn cut_unknown_and_late_modes_are_harmless() {
        let tty = terminal();
        let cooked = Modes::of(&tty).unwrap();
        let full = cooked.encode();
        for cut in 0..full.len() {
            cooked.clone().decode_into(&full[..cut]);
        }
        let mut m = cooked.clone();
        // Opcode 127 is unknown, 53 (ECHO) follows and counts; after 160 nothing does.
        m.decode_into(&[127, 0, 0, 0, 9, 53, 0, 0, 0, 0, 160, 53, 0, 0, 0, 1]);
        assert!(!m.echoes());
    }
}
