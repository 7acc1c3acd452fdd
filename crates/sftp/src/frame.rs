//! Messages in a byte stream: each has its length before it, as a `uint32`
//! (draft-ietf-secsh-filexfer-02 section 3).

use core::ops::Range;

use carrick_wire::{DecodeError, Writer};

use crate::limits;

/// The length of the length.
pub const HEAD: usize = 4;

/// Where the first message lies in `bytes`, its length field left out; `None`
/// if not all of it is there yet. Longer than [`limits::MESSAGE`] or empty is
/// an error that nothing can follow.
pub fn first(bytes: &[u8]) -> Result<Option<Range<usize>>, DecodeError> {
    let Some((head, _)) = bytes.split_first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
    if len == 0 || len > limits::MESSAGE {
        return Err(DecodeError::Invalid {
            field: "message length",
        });
    }
    let end = HEAD.saturating_add(len);
    Ok((bytes.len() >= end).then_some(HEAD..end))
}

/// Appends a message with its length before it.
pub fn append(out: &mut Vec<u8>, message: impl FnOnce(&mut Writer<'_>)) {
    Writer::new(out).sub(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_there_when_all_of_it_is() {
        let mut bytes = Vec::new();
        append(&mut bytes, |w| w.raw(b"abc"));
        append(&mut bytes, |w| w.raw(b"d"));
        for len in 0..7 {
            assert_eq!(first(&bytes[..len]), Ok(None));
        }
        assert_eq!(first(&bytes), Ok(Some(4..7)));
        assert_eq!(first(&bytes[7..]), Ok(Some(4..5)));
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_at_once() {
        assert!(first(&[0, 0, 0, 0]).is_err());
        let longest = u32::try_from(limits::MESSAGE).unwrap();
        assert_eq!(first(&longest.to_be_bytes()), Ok(None));
        assert!(first(&(longest + 1).to_be_bytes()).is_err());
    }
}
