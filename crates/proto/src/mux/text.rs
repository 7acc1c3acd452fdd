//! Owned texts from messages, within their bound.

use carrick_wire::Text;

use super::MuxFault;
use crate::limits;

fn check(field: &'static str, len: usize) -> Result<(), MuxFault> {
    if len > limits::TEXT {
        return Err(MuxFault::TextTooLong {
            field,
            len,
            max: limits::TEXT,
        });
    }
    Ok(())
}

/// Text.
pub(super) fn text(field: &'static str, value: &str) -> Result<String, MuxFault> {
    check(field, value.len())?;
    Ok(value.to_owned())
}

/// Bytes that name something.
pub(super) fn bytes(field: &'static str, value: &[u8]) -> Result<Vec<u8>, MuxFault> {
    check(field, value.len())?;
    Ok(value.to_vec())
}

/// Text for people, which may not be UTF-8.
pub(super) fn lossy(field: &'static str, value: Text<'_>) -> Result<String, MuxFault> {
    check(field, value.as_bytes().len())?;
    Ok(value.to_lossy().into_owned())
}
