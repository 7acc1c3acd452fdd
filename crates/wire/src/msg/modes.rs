//! Encoded terminal modes (RFC 4254 section 8, RFC 8160), the `modes` of a
//! `pty-req`: pairs of an opcode and a `uint32`, ended by [`TTY_OP_END`].

use crate::{DecodeError, Reader, Writer};

/// Ends the list.
pub const TTY_OP_END: u8 = 0;

/// Opcodes from here on have no defined argument, so reading stops there
/// (RFC 4254 section 8).
pub const FIRST_UNDEFINED: u8 = 160;

macro_rules! opcodes {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        $( #[doc = $doc] pub const $name: u8 = $value; )*

        /// Every opcode that takes an argument, with its name.
        pub const OPCODES: &[(u8, &str)] = &[ $( ($name, stringify!($name)) ),* ];
    };
}

opcodes! {
    VINTR = 1, "Interrupt character; 255 for none, as for all characters.";
    VQUIT = 2, "Quit character.";
    VERASE = 3, "Erases the character to the left.";
    VKILL = 4, "Erases the line.";
    VEOF = 5, "End of file.";
    VEOL = 6, "End of line besides newline.";
    VEOL2 = 7, "Another end of line.";
    VSTART = 8, "Continues paused output.";
    VSTOP = 9, "Pauses output.";
    VSUSP = 10, "Suspends the program.";
    VDSUSP = 11, "Suspends the program when it reads.";
    VREPRINT = 12, "Reprints the line.";
    VWERASE = 13, "Erases the word to the left.";
    VLNEXT = 14, "Takes the next character literally.";
    VFLUSH = 15, "Discards pending output.";
    VSWTCH = 16, "Switches shell layer.";
    VSTATUS = 17, "Prints a status line.";
    VDISCARD = 18, "Toggles discarding of output.";
    IGNPAR = 30, "Ignores parity errors.";
    PARMRK = 31, "Marks parity and framing errors.";
    INPCK = 32, "Checks parity.";
    ISTRIP = 33, "Strips the eighth bit.";
    INLCR = 34, "Maps NL to CR on input.";
    IGNCR = 35, "Ignores CR on input.";
    ICRNL = 36, "Maps CR to NL on input.";
    IUCLC = 37, "Maps upper case to lower case on input.";
    IXON = 38, "Flow control of output.";
    IXANY = 39, "Any character continues output.";
    IXOFF = 40, "Flow control of input.";
    IMAXBEL = 41, "Rings the bell when the input queue is full.";
    IUTF8 = 42, "Input is UTF-8 (RFC 8160).";
    ISIG = 50, "Enables the signal characters.";
    ICANON = 51, "Line editing.";
    XCASE = 52, "Escaped upper case.";
    ECHO = 53, "Echoes input.";
    ECHOE = 54, "Erases visibly.";
    ECHOK = 55, "Discards the line visibly.";
    ECHONL = 56, "Echoes NL even without ECHO.";
    NOFLSH = 57, "Does not flush after a signal.";
    TOSTOP = 58, "Stops background jobs that write.";
    IEXTEN = 59, "Enables extensions.";
    ECHOCTL = 60, "Echoes control characters as ^X.";
    ECHOKE = 61, "Erases a killed line visibly.";
    PENDIN = 62, "Retypes pending input.";
    OPOST = 70, "Processes output.";
    OLCUC = 71, "Maps lower case to upper case on output.";
    ONLCR = 72, "Maps NL to CR NL on output.";
    OCRNL = 73, "Maps CR to NL on output.";
    ONOCR = 74, "No CR in column 0.";
    ONLRET = 75, "NL does what CR does.";
    CS7 = 90, "7 bits to a character.";
    CS8 = 91, "8 bits to a character.";
    PARENB = 92, "Parity.";
    PARODD = 93, "Odd parity.";
    TTY_OP_ISPEED = 128, "Input speed in bits per second.";
    TTY_OP_OSPEED = 129, "Output speed in bits per second.";
}

/// The value that means "this character is not set".
pub const VDISABLE: u32 = 255;

/// Reads encoded modes: each item is an opcode and its argument.
///
/// The list ends at [`TTY_OP_END`], at an opcode without defined argument, or
/// at the end of the bytes (peers are known that leave the end mark off, and
/// without a terminal of their own some send no byte at all). An argument cut
/// short is an error, once.
#[derive(Debug, Clone)]
pub struct Modes<'a> {
    r: Reader<'a>,
}

impl<'a> Modes<'a> {
    /// Over the `modes` field of a `pty-req`.
    pub fn new(encoded: &'a [u8]) -> Self {
        Self {
            r: Reader::new(encoded),
        }
    }
}

impl Iterator for Modes<'_> {
    type Item = Result<(u8, u32), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let opcode = self.r.u8("mode opcode").ok()?;
        if opcode == TTY_OP_END || opcode >= FIRST_UNDEFINED {
            self.r.take_rest();
            return None;
        }
        let argument = self.r.u32("mode argument");
        if argument.is_err() {
            self.r.take_rest();
        }
        Some(argument.map(|argument| (opcode, argument)))
    }
}

/// Encodes modes, with the end mark.
pub fn encode(modes: impl IntoIterator<Item = (u8, u32)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out);
    for (opcode, argument) in modes {
        w.u8(opcode);
        w.u32(argument);
    }
    w.u8(TTY_OP_END);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_round_trip() {
        let all: Vec<(u8, u32)> = OPCODES
            .iter()
            .zip(0..)
            .map(|((opcode, _), n)| (*opcode, n))
            .collect();
        let encoded = encode(all.iter().copied());
        assert_eq!(encoded.len(), all.len() * 5 + 1);
        let back: Result<Vec<_>, _> = Modes::new(&encoded).collect();
        assert_eq!(back, Ok(all));
    }

    #[test]
    fn reading_stops_at_the_end_mark_and_at_undefined_opcodes() {
        for end in [&b"\0\x01\0\0\0\x09"[..], b"\xa0\0\0", b"\xff", b""] {
            let mut encoded = b"\x80\0\0\x96\0".to_vec();
            encoded.extend_from_slice(end);
            let modes: Vec<_> = Modes::new(&encoded).collect();
            assert_eq!(modes, [Ok((TTY_OP_ISPEED, 38400))], "{end:?}");
        }
    }

    #[test]
    fn a_cut_argument_is_one_error() {
        let modes: Vec<_> = Modes::new(b"\x01\0\0\0\x03\x02\0\0").collect();
        assert_eq!(
            modes,
            [
                Ok((VINTR, 3)),
                Err(DecodeError::Truncated {
                    field: "mode argument"
                })
            ]
        );
    }
}
