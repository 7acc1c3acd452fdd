//! The identification exchange of RFC 4253 section 4.2.

use bytes::BytesMut;

use crate::error::PeerFault;
use crate::limits;

/// A peer's identification, as received and without its line end: this is
/// what enters the exchange hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident(String);

impl Ident {
    /// Our own, from `software` (such as `Carrick_0.1`) and an optional comment.
    pub fn ours(software: &str, comment: Option<&str>) -> Self {
        match comment.filter(|c| !c.is_empty()) {
            Some(comment) => Self(format!("SSH-2.0-{software} {comment}")),
            None => Self(format!("SSH-2.0-{software}")),
        }
    }

    /// Of a peer that does not say what it is.
    pub(crate) fn unknown() -> Self {
        Self(String::new())
    }

    /// The whole line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows `SSH-2.0-`: software version and comment.
    pub fn software(&self) -> &str {
        self.0.splitn(3, '-').nth(2).unwrap_or_default()
    }

    /// Whether the peer is of our own kind.
    pub fn is_carrick(&self) -> bool {
        self.software().starts_with("Carrick_")
    }

    /// Whether the peer calls itself OpenSSH, or is of our own kind: those get
    /// the messages that other implementations were seen to trip over
    /// (`eow@openssh.com`, `no-more-sessions@openssh.com`).
    pub fn takes_openssh_extras(&self) -> bool {
        self.is_openssh() || self.is_carrick()
    }

    /// Whether the peer calls itself OpenSSH.
    pub fn is_openssh(&self) -> bool {
        self.software().starts_with("OpenSSH")
    }

    /// Whether the peer takes an authentication request that comes along with
    /// the request for the service. Those that read packet by packet do; those
    /// that we have not seen doing it are not asked to.
    pub fn takes_early_attempt(&self) -> bool {
        self.software().starts_with("OpenSSH_") || self.is_carrick()
    }

    fn parse(line: &str) -> Result<Self, PeerFault> {
        let shown = || line.chars().take(100).collect();
        let mut parts = line.splitn(3, '-');
        let (_, Some(version), Some(software)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(PeerFault::BadIdent(shown()));
        };
        if software.is_empty() {
            return Err(PeerFault::BadIdent(shown()));
        }
        match version {
            "2.0" | "1.99" => Ok(Self(line.to_owned())),
            _ if version.split('.').all(|n| n.parse::<u16>().is_ok()) => {
                Err(PeerFault::WrongVersion(shown()))
            }
            _ => Err(PeerFault::BadIdent(shown())),
        }
    }
}

/// Reads lines until one is the peer's identification.
#[derive(Debug)]
pub(crate) struct IdentReader {
    /// A server may send other lines first; a client may not.
    preamble: bool,
    lines: usize,
}

/// What a stretch of input turned out to be.
pub(crate) enum IdentStep {
    /// The line is not complete.
    More,
    /// A line before the identification.
    Preamble(String),
    /// The identification.
    Done(Ident),
}

impl IdentReader {
    pub(crate) fn new(preamble: bool) -> Self {
        Self { preamble, lines: 0 }
    }

    /// Takes one line off the front of `buf`.
    pub(crate) fn step(&mut self, buf: &mut BytesMut) -> Result<IdentStep, PeerFault> {
        let Some(end) = buf
            .iter()
            .take(limits::IDENT_LINE)
            .position(|b| *b == b'\n')
        else {
            if buf.len() >= limits::IDENT_LINE {
                return Err(PeerFault::TooMuchPreamble);
            }
            // A client that speaks another protocol need not send a line end:
            // it is told so as soon as its bytes cannot become "SSH-".
            if !self.preamble && !starts_like_ident(buf) {
                return Err(PeerFault::BadIdent(lossy(buf)));
            }
            return Ok(IdentStep::More);
        };
        let mut line = buf.split_to(end + 1);
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end.saturating_sub(1));
        }
        if !line.starts_with(b"SSH-") {
            self.lines += 1;
            if !self.preamble {
                return Err(PeerFault::BadIdent(lossy(&line)));
            }
            if self.lines >= limits::PREAMBLE_LINES {
                return Err(PeerFault::TooMuchPreamble);
            }
            return Ok(IdentStep::Preamble(lossy(&line)));
        }
        match core::str::from_utf8(&line) {
            Ok(text) if !text.contains('\0') => Ident::parse(text).map(IdentStep::Done),
            _ => Err(PeerFault::BadIdent(lossy(&line))),
        }
    }
}

fn starts_like_ident(buf: &[u8]) -> bool {
    buf.iter().zip(b"SSH-").all(|(got, want)| got == want)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..100).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(preamble: bool, input: &[u8]) -> Result<(Vec<String>, Option<Ident>), PeerFault> {
        let mut reader = IdentReader::new(preamble);
        let mut buf = BytesMut::from(input);
        let mut lines = Vec::new();
        loop {
            match reader.step(&mut buf)? {
                IdentStep::More => return Ok((lines, None)),
                IdentStep::Preamble(line) => lines.push(line),
                IdentStep::Done(ident) => return Ok((lines, Some(ident))),
            }
        }
    }

    #[test]
    fn either_line_end_and_a_preamble_are_accepted() {
        for line in ["SSH-2.0-x y z\r\n", "SSH-2.0-x y z\n"] {
            let (lines, ident) = read(true, format!("hello\r\n\n{line}").as_bytes()).unwrap();
            assert_eq!(lines, ["hello", ""]);
            assert_eq!(ident.unwrap().as_str(), "SSH-2.0-x y z");
        }
        assert_eq!(
            read(true, b"SSH-1.99-old\n").unwrap().1.unwrap().software(),
            "old"
        );
    }

    #[test]
    fn an_incomplete_line_waits() {
        assert_eq!(read(true, b"SSH-2.0-x"), Ok((vec![], None)));
        assert_eq!(read(false, b"SS"), Ok((vec![], None)));
    }

    #[test]
    fn a_client_may_not_send_text_first() {
        assert!(matches!(
            read(false, b"GET / HTTP/1.1\r\n"),
            Err(PeerFault::BadIdent(_))
        ));
        assert!(matches!(
            read(false, b"\x16\x03\x01"),
            Err(PeerFault::BadIdent(_))
        ));
    }

    #[test]
    fn other_versions_and_garbage_are_told_apart() {
        assert!(matches!(
            read(true, b"SSH-1.5-old\n"),
            Err(PeerFault::WrongVersion(_))
        ));
        assert!(matches!(
            read(true, b"SSH-2.0\n"),
            Err(PeerFault::BadIdent(_))
        ));
        assert!(matches!(
            read(true, b"SSH-x-y\n"),
            Err(PeerFault::BadIdent(_))
        ));
        assert!(matches!(
            read(true, b"SSH-2.0-\xff\n"),
            Err(PeerFault::BadIdent(_))
        ));
    }

    #[test]
    fn the_preamble_is_bounded() {
        let flood = vec![b'x'; limits::IDENT_LINE];
        assert_eq!(read(true, &flood), Err(PeerFault::TooMuchPreamble));
        let lines = b"x\n".repeat(limits::PREAMBLE_LINES);
        assert_eq!(read(true, &lines), Err(PeerFault::TooMuchPreamble));
    }
}
