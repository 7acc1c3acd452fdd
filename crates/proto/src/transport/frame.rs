//! Packet arithmetic of RFC 4253 section 6: lengths and padding, nothing else.

use carrick_crypto::packet::Framing;

/// Length field and padding-length byte in front of every payload.
pub(crate) const HEADER: usize = 5;

/// RFC 4253 section 6: at least four bytes of padding.
const MIN_PADDING: usize = 4;

/// Packets in the clear: before the first NEWKEYS.
pub(crate) const CLEAR: Framing = Framing {
    block: 8,
    length_apart: false,
    tag: 0,
    head: 4,
};

/// Packets of a conversation that needs no protection and has no padding: see
/// `Connection::plain_client`.
pub(crate) const PLAIN: Framing = Framing {
    block: 1,
    length_apart: true,
    tag: 0,
    head: 4,
};

fn is_plain(framing: &Framing) -> bool {
    framing.block == PLAIN.block
}

/// The least padding that a packet has.
pub(crate) fn least_padding(framing: &Framing) -> usize {
    if is_plain(framing) { 0 } else { MIN_PADDING }
}

/// Packets with secrets of the user's in them come in multiples of this.
pub(crate) const HIDING: usize = 64;

/// How many bytes of padding a payload of `payload` bytes gets; `hide` (0, or
/// [`HIDING`]) asks for more than the cipher needs.
pub(crate) fn padding(framing: &Framing, payload: usize, hide: usize) -> usize {
    if is_plain(framing) {
        return 0;
    }
    let block = framing.block.max(8).max(hide);
    let counted = payload + HEADER - if framing.length_apart { 4 } else { 0 };
    let short = counted % block;
    let pad = block - short;
    if pad < MIN_PADDING { pad + block } else { pad }
}

/// The most that a packet around a payload of `payload` bytes can take.
pub(crate) fn ceiling(framing: &Framing, payload: usize) -> usize {
    HEADER + payload + MIN_PADDING + 2 * framing.block.max(8) + framing.tag
}

/// Whether a received length field can be that of a packet.
pub(crate) fn plausible(framing: &Framing, length: usize, limit: usize) -> bool {
    if is_plain(framing) {
        return length > 1 && length <= limit;
    }
    let block = framing.block.max(8);
    let aligned = if framing.length_apart {
        length
    } else {
        length + 4
    };
    length > MIN_PADDING && length <= limit && aligned.is_multiple_of(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_is_padded_to_the_block() {
        for length_apart in [false, true] {
            for block in [8, 16] {
                let framing = Framing {
                    block,
                    length_apart,
                    tag: 16,
                    head: 4,
                };
                for payload in 1..200 {
                    for hide in [0, HIDING] {
                        let pad = padding(&framing, payload, hide);
                        assert!((MIN_PADDING..256).contains(&pad));
                        let length = 1 + payload + pad;
                        assert!(
                            plausible(&framing, length, 1000),
                            "{payload} {pad} {framing:?}"
                        );
                        assert!(4 + length + framing.tag <= ceiling(&framing, payload) + hide);
                    }
                }
            }
        }
    }

    #[test]
    fn lengths_out_of_bounds_are_implausible() {
        assert!(!plausible(&CLEAR, 0, 100));
        assert!(!plausible(&CLEAR, 4, 100));
        assert!(!plausible(&CLEAR, 13, 100));
        assert!(plausible(&CLEAR, 12, 100));
        assert!(!plausible(&CLEAR, 108, 100));
        assert!(!plausible(&PLAIN, 1, 100) && !plausible(&PLAIN, 101, 100));
    }

    #[test]
    fn plain_packets_have_no_padding() {
        for payload in 1..100 {
            assert_eq!(padding(&PLAIN, payload, HIDING), 0);
            assert!(plausible(&PLAIN, 1 + payload, 100));
        }
    }
}
