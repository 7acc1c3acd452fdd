//! What a packet is, as far as it matters here, and the short packets that
//! answer those that nobody takes: TCP resets and ICMP errors.

use std::net::{IpAddr, SocketAddr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4Packet, Icmpv6Packet, IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, TcpControl,
    TcpPacket, TcpRepr, UdpPacket, UdpRepr,
};

/// How many hops our packets may go: all of them end in this machine.
const HOPS: u8 = 64;
/// How much of a packet an ICMP error brings back: what fits into the smallest
/// packet that everybody takes (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4).
const QUOTE_V4: usize = 576 - 20 - 8;
const QUOTE_V6: usize = 1280 - 40 - 8;

/// A packet that may be answered.
#[derive(Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) source: IpAddr,
    pub(crate) target: IpAddr,
    pub(crate) payload: Payload<'a>,
}

/// What is in it.
#[derive(Debug)]
pub(crate) enum Payload<'a> {
    Tcp(Segment),
    Udp {
        source_port: u16,
        target_port: u16,
        data: &'a [u8],
    },
    /// A packet that must not be answered with an error.
    Unanswerable,
    /// What no connection carries.
    Other,
}

/// What a TCP segment says, as far as a reset answers it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) source_port: u16,
    pub(crate) target_port: u16,
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) rst: bool,
    seq: smoltcp::wire::TcpSeqNumber,
    ack_number: smoltcp::wire::TcpSeqNumber,
    /// What it takes of the sequence space.
    len: usize,
}

impl<'a> Packet<'a> {
    /// Looks at a packet. `None`: it is none, or is meant for nobody that a
    /// connection leads to.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::parse_v4(bytes),
            6 => Self::parse_v6(bytes),
            _ => None,
        }
    }

    fn parse_v4(bytes: &'a [u8]) -> Option<Self> {
        let ip = Ipv4Packet::new_checked(bytes).ok()?;
        let (source, target) = (ip.src_addr(), ip.dst_addr());
        let own = |ip: std::net::Ipv4Addr| {
            !(ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified() || ip.octets()[0] == 0)
        };
        if !own(source) || !own(target) {
            return None;
        }
        let payload = if ip.more_frags() || ip.frag_offset() > 0 {
            // Nothing that matters here is sent in fragments.
            Payload::Unanswerable
        } else {
            Payload::of(ip.next_header(), ip.payload())?
        };
        Some(Self {
            source: source.into(),
            target: target.into(),
            payload,
        })
    }

    fn parse_v6(bytes: &'a [u8]) -> Option<Self> {
        let ip = Ipv6Packet::new_checked(bytes).ok()?;
        let (source, target) = (ip.src_addr(), ip.dst_addr());
        let own = |ip: std::net::Ipv6Addr| !(ip.is_multicast() || ip.is_unspecified());
        if !own(source) || !own(target) {
            return None;
        }
        Some(Self {
            source: source.into(),
            target: target.into(),
            payload: Payload::of(ip.next_header(), ip.payload())?,
        })
    }
}

impl<'a> Payload<'a> {
    fn of(protocol: IpProtocol, bytes: &'a [u8]) -> Option<Self> {
        Some(match protocol {
            IpProtocol::Tcp => {
                let tcp = TcpPacket::new_checked(bytes).ok()?;
                if tcp.src_port() == 0 || tcp.dst_port() == 0 {
                    return None;
                }
                Self::Tcp(Segment {
                    source_port: tcp.src_port(),
                    target_port: tcp.dst_port(),
                    syn: tcp.syn(),
                    ack: tcp.ack(),
                    rst: tcp.rst(),
                    seq: tcp.seq_number(),
                    ack_number: tcp.ack_number(),
                    len: tcp.segment_len(),
                })
            }
            IpProtocol::Udp => {
                let udp = UdpPacket::new_checked(bytes).ok()?;
                Self::Udp {
                    source_port: udp.src_port(),
                    target_port: udp.dst_port(),
                    data: udp.payload(),
                }
            }
            // Of messages only a question may be answered with an error; of
            // ICMPv6's, errors are those below 128 (RFC 4443 section 2.1).
            IpProtocol::Icmp if bytes.first() == Some(&8) => Self::Other,
            IpProtocol::Icmpv6 if bytes.first() == Some(&128) => Self::Other,
            IpProtocol::Icmp | IpProtocol::Icmpv6 => Self::Unanswerable,
            _ => Self::Other,
        })
    }
}

/// Why a packet goes nowhere, as ICMP says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// Nobody listens.
    Port,
    /// There is no way there.
    Host,
    /// It is not carried.
    Prohibited,
}

impl Unreachable {
    /// The code of type 3 (RFC 792, RFC 1812).
    fn v4(self) -> u8 {
        match self {
            Self::Host => 1,
            Self::Port => 3,
            Self::Prohibited => 13,
        }
    }

    /// The code of type 1 (RFC 4443 section 3.1).
    fn v6(self) -> u8 {
        match self {
            Self::Prohibited => 1,
            Self::Host => 3,
            Self::Port => 4,
        }
    }
}

/// A packet of ours, its IP header written, and the rest of it by `write`.
fn build(
    from: IpAddr,
    to: IpAddr,
    protocol: IpProtocol,
    len: usize,
    write: impl FnOnce(&mut [u8], &IpAddress, &IpAddress),
) -> Option<Vec<u8>> {
    let (from, to) = (IpAddress::from(from), IpAddress::from(to));
    if from.version() != to.version() {
        return None;
    }
    let ip = IpRepr::new(from, to, protocol, len, HOPS);
    let mut packet = vec![0; ip.header_len().checked_add(len)?];
    ip.emit(packet.as_mut_slice(), &ChecksumCapabilities::default());
    write(packet.get_mut(ip.header_len()..)?, &from, &to);
    Some(packet)
}

/// The ICMP error that answers `packet`.
pub(crate) fn unreachable(packet: &[u8], why: Unreachable) -> Option<Vec<u8>> {
    let parsed = Packet::parse(packet)?;
    if matches!(parsed.payload, Payload::Unanswerable) {
        return None;
    }
    let v4 = parsed.source.is_ipv4();
    let (kind, code, most, protocol) = if v4 {
        (3, why.v4(), QUOTE_V4, IpProtocol::Icmp)
    } else {
        (1, why.v6(), QUOTE_V6, IpProtocol::Icmpv6)
    };
    let quote = packet.get(..packet.len().min(most))?;
    build(
        parsed.target,
        parsed.source,
        protocol,
        quote.len() + 8,
        |out, from, to| {
            if let Some((header, rest)) = out.split_at_mut_checked(8) {
                header.copy_from_slice(&[kind, code, 0, 0, 0, 0, 0, 0]);
                rest.copy_from_slice(quote);
            }
            match (from, to) {
                (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
                    Icmpv6Packet::new_unchecked(out).fill_checksum(from, to);
                }
                _ => Icmpv4Packet::new_unchecked(out).fill_checksum(),
            }
        },
    )
}

/// The reset that answers a segment of no connection (RFC 9293 section 3.10.7.1).
pub(crate) fn reset(source: IpAddr, target: IpAddr, segment: &Segment) -> Option<Vec<u8>> {
    if segment.rst {
        return None;
    }
    let (seq_number, ack_number) = if segment.ack {
        (segment.ack_number, None)
    } else {
        let next = segment.seq + segment.len;
        (smoltcp::wire::TcpSeqNumber(0), Some(next))
    };
    let tcp = TcpRepr {
        src_port: segment.target_port,
        dst_port: segment.source_port,
        control: TcpControl::Rst,
        seq_number,
        ack_number,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let len = tcp.buffer_len();
    build(target, source, IpProtocol::Tcp, len, |out, from, to| {
        let mut packet = TcpPacket::new_unchecked(out);
        tcp.emit(&mut packet, from, to, &ChecksumCapabilities::default());
    })
}

/// A datagram.
pub(crate) fn datagram(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Option<Vec<u8>> {
    let udp = UdpRepr {
        src_port: from.port(),
        dst_port: to.port(),
    };
    let len = udp.header_len().checked_add(data.len())?;
    u16::try_from(len).ok()?;
    build(from.ip(), to.ip(), IpProtocol::Udp, len, |out, from, to| {
        udp.emit(
            &mut UdpPacket::new_unchecked(out),
            from,
            to,
            data.len(),
            |space| space.copy_from_slice(data),
            &ChecksumCapabilities::default(),
        );
    })
}
