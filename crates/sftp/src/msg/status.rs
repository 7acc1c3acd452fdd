//! Outcomes (draft-ietf-secsh-filexfer-02 section 7).

use core::fmt;

use carrick_wire::{DecodeError, Reader, Writer};

/// How a request ended. Unknown codes survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Done.
    pub const OK: Self = Self(0);
    /// Nothing more to read.
    pub const EOF: Self = Self(1);
    /// No such file or folder.
    pub const NO_SUCH_FILE: Self = Self(2);
    /// Not permitted.
    pub const PERMISSION_DENIED: Self = Self(3);
    /// None of the others.
    pub const FAILURE: Self = Self(4);
    /// The message made no sense.
    pub const BAD_MESSAGE: Self = Self(5);
    /// Only made up locally: there is no connection.
    pub const NO_CONNECTION: Self = Self(6);
    /// Only made up locally: the connection is lost.
    pub const CONNECTION_LOST: Self = Self(7);
    /// The server does not do that.
    pub const OP_UNSUPPORTED: Self = Self(8);

    /// In OpenSSH's words, which scripts match on.
    pub const fn text(self) -> &'static str {
        match self.0 {
            0 => "Success",
            1 => "End of file",
            2 => "No such file or directory",
            3 => "Permission denied",
            4 => "Failure",
            5 => "Bad message",
            6 => "No connection",
            7 => "Connection lost",
            8 => "Operation unsupported",
            _ => "Unknown status",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A code, with the server's own words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status<'a> {
    /// The code.
    pub code: Code,
    /// The server's words: for people, in any encoding, possibly with control
    /// characters, possibly empty.
    pub message: &'a [u8],
}

impl<'a> Status<'a> {
    /// With the code's usual words.
    pub fn of(code: Code) -> Self {
        Self {
            code,
            message: code.text().as_bytes(),
        }
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let code = Code(r.u32("status.code")?);
        // Servers older than the draft end here.
        if r.is_empty() {
            return Ok(Self { code, message: b"" });
        }
        let message = r.string("status.message")?;
        if !r.is_empty() {
            r.string("status.language")?;
        }
        Ok(Self { code, message })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.u32(self.code.0);
        w.string(self.message);
        w.string(b"");
    }
}
