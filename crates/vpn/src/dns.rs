//! What of a DNS message matters on its way from UDP to TCP and back (RFC 1035,
//! RFC 6891): how large an answer may be, and how to say that it is larger.

/// The header.
const HEADER: usize = 12;
/// What every asker takes.
const LEAST: usize = 512;
/// The type of an OPT record.
const OPT: u16 = 41;
/// A response.
const QR: u8 = 0x80;
/// Of the third byte: the response is not all there is.
const TC: u8 = 0x02;

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn short(&mut self) -> Option<u16> {
        let pair: [u8; 2] = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(pair))
    }

    /// Passes a name.
    fn name(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                0 => return Some(()),
                len @ 1..64 => drop(self.take(usize::from(len))?),
                // A pointer ends it; other kinds were never used.
                0xc0.. => return self.byte().map(drop),
                _ => return None,
            }
        }
    }

    /// Passes a question.
    fn question(&mut self) -> Option<()> {
        self.name()?;
        self.take(4).map(drop)
    }
}

/// The four counts of a header.
fn counts(message: &[u8]) -> Option<([u16; 4], Reader<'_>)> {
    let mut reader = Reader(message);
    reader.take(4)?;
    let mut counts = [0; 4];
    for count in &mut counts {
        *count = reader.short()?;
    }
    Some((counts, reader))
}

/// Whether `message` is a query, and one that its answer can be told by.
pub(crate) fn is_query(message: &[u8]) -> bool {
    message.len() >= HEADER && message.get(2).is_some_and(|flags| flags & QR == 0)
}

/// The largest answer that whoever sent `query` takes by UDP.
pub(crate) fn largest_answer(query: &[u8]) -> usize {
    let offered = || {
        let ([questions, answers, authorities, additional], mut reader) = counts(query)?;
        for _ in 0..questions {
            reader.question()?;
        }
        let records = u32::from(answers) + u32::from(authorities) + u32::from(additional);
        for _ in 0..records {
            reader.name()?;
            let kind = reader.short()?;
            let class = reader.short()?;
            if kind == OPT {
                return Some(usize::from(class));
            }
            reader.take(4)?;
            let len = reader.short()?;
            reader.take(usize::from(len))?;
        }
        None
    };
    offered().unwrap_or(LEAST).max(LEAST)
}

/// `answer` as it is, or if it is longer than `most`, its header and questions
/// with the word that there is more: whoever asked asks again by TCP.
pub(crate) fn fitted(answer: &[u8], most: usize) -> Option<Vec<u8>> {
    if answer.len() <= most {
        return Some(answer.to_vec());
    }
    let ([questions, ..], mut reader) = counts(answer)?;
    for _ in 0..questions {
        reader.question()?;
    }
    let len = answer.len() - reader.0.len();
    let mut short = answer.get(..len.min(most))?.to_vec();
    if len > most {
        return None;
    }
    *short.get_mut(2)? |= TC;
    short.get_mut(6..HEADER)?.fill(0);
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for `a.example`, with an OPT record that offers `size`.
    fn query(size: Option<u16>) -> Vec<u8> {
        let mut message = vec![
            0x12,
            0x34,
            1,
            0,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            u8::from(size.is_some()),
        ];
        message.extend(b"\x01a\x07example\0\0\x01\0\x01");
        if let Some(size) = size {
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0; 6]);
        }
        message
    }

    #[test]
    fn the_asker_says_how_much_it_takes() {
        assert_eq!(largest_answer(&query(None)), 512);
        assert_eq!(largest_answer(&query(Some(1232))), 1232);
        assert_eq!(largest_answer(&query(Some(100))), 512);
        for cut in 0..query(Some(1232)).len() - 6 {
            assert_eq!(largest_answer(&query(Some(1232))[..cut]), 512, "{cut}");
        }
    }

    #[test]
    fn a_long_answer_is_cut_to_its_question() {
        let mut answer = query(None);
        answer[2] = QR;
        answer[7] = 200;
        let question = answer.len();
        answer.extend([7; 2000]);
        let short = fitted(&answer, 512).unwrap();
        assert_eq!(short.len(), question);
        assert_eq!(short[2], QR | TC);
        assert_eq!(short[4..12], [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(short[12..], answer[12..question]);
        assert_eq!(fitted(&answer, 4096).unwrap(), answer);
        assert_eq!(fitted(&[0; 600], 512).unwrap().len(), HEADER);
        // Nonsense in place of a question.
        answer[12] = 0x80;
        assert_eq!(fitted(&answer, 512), None);
    }
}
