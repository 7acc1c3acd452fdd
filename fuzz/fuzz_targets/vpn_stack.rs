//! Operations on the user-space end of `ssh --vpn`: packets of programs that
//! follow the rules, packets that follow none, and commands in any order.
#![no_main]

use std::time::{Duration, Instant};

use carrick_vpn::{Config, Event, Read, Refusal, Stack};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const MTU: usize = 1500;

#[derive(Debug, Arbitrary)]
enum Step {
    Packet(Vec<u8>),
    /// A TCP segment to a port of one of a few machines, with numbers that may
    /// fit what the stack said last.
    Segment {
        from: u8,
        to: u8,
        flags: u8,
        seq: u8,
        ack: u8,
        window: u16,
        data: Vec<u8>,
    },
    Datagram {
        to: u8,
        port: u16,
        data: Vec<u8>,
    },
    Connected(u8),
    Refused(u8, u8),
    Read(u8, u16),
    Write(u8, Vec<u8>),
    Finish(u8),
    Release(u8, bool),
    Answer(u8, Option<Vec<u8>>),
    Wait(u16),
}

fn ip(protocol: u8, to: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0, 198, 18, 0, 1, 10, 0, 0, to]);
    packet.extend(payload);
    packet
}

fuzz_target!(|steps: Vec<Step>| {
    let start = Instant::now();
    let mut now = start;
    let config = Config {
        mtu: MTU,
        resolvers: vec![[10, 0, 0, 53].into()],
        seed: 1,
    };
    let mut stack = Stack::new(config, start);
    let (mut flows, mut queries) = (Vec::new(), Vec::new());
    // The sequence number that each port of ours was told last.
    let mut told = [0_u32; 256];
    for step in steps {
        let flow = |at: u8| flows.get(usize::from(at) % flows.len().max(1)).copied();
        match step {
            Step::Packet(bytes) => stack.input(now, &bytes),
            Step::Segment { from, to, flags, seq, ack, window, data } => {
                let mut tcp = Vec::new();
                tcp.extend((1000 + u16::from(from)).to_be_bytes());
                tcp.extend(80_u16.to_be_bytes());
                tcp.extend(u32::from(seq).to_be_bytes());
                tcp.extend(told[usize::from(from)].wrapping_add(u32::from(ack)).to_be_bytes());
                tcp.extend([0x50, flags]);
                tcp.extend(window.to_be_bytes());
                tcp.extend([0; 4]);
                tcp.extend(data);
                stack.input(now, &ip(6, to % 4, &tcp));
            }
            Step::Datagram { to, port, data } => {
                let len = u16::try_from(8 + data.len()).unwrap_or(u16::MAX);
                let mut udp = 1000_u16.to_be_bytes().to_vec();
                udp.extend(port.to_be_bytes());
                udp.extend(len.to_be_bytes());
                udp.extend([0, 0]);
                udp.extend(data);
                stack.input(now, &ip(17, to, &udp));
            }
            Step::Connected(at) => flow(at).into_iter().for_each(|id| stack.connected(id, now)),
            Step::Refused(at, why) => {
                let all = [Refusal::Refused, Refusal::Unreachable, Refusal::Prohibited];
                flow(at).into_iter().for_each(|id| stack.refused(id, all[usize::from(why) % 3]));
            }
            Step::Read(at, len) => {
                if let Some(id) = flow(at) {
                    let mut into = vec![0; usize::from(len)];
                    if let Read::Data(got) = stack.read(id, &mut into) {
                        assert!(got <= into.len() && got > 0);
                    }
                }
            }
            Step::Write(at, bytes) => {
                if let Some(id) = flow(at) {
                    let wrote = stack.write(id, &bytes);
                    assert!(wrote.is_err() || wrote.is_ok_and(|len| len <= bytes.len()));
                }
            }
            Step::Finish(at) => flow(at).into_iter().for_each(|id| stack.finish(id)),
            Step::Release(at, reset) => flow(at).into_iter().for_each(|id| stack.release(id, reset)),
            Step::Answer(at, message) => {
                if !queries.is_empty() {
                    let query = queries.swap_remove(usize::from(at) % queries.len());
                    stack.answer(query, message.as_deref());
                }
            }
            Step::Wait(millis) => now += Duration::from_millis(millis.into()),
        }
        stack.run(now);
        while let Some(packet) = stack.poll_output() {
            assert!(packet.len() <= MTU || packet[9] == 17, "{}", packet.len());
            if packet.len() >= 40 && packet[0] == 0x45 && packet[9] == 6 {
                let port = u16::from_be_bytes([packet[22], packet[23]]);
                let seq = u32::from_be_bytes([packet[24], packet[25], packet[26], packet[27]]);
                told[usize::from(port.wrapping_sub(1000)) % 256] = seq;
            }
            stack.recycle(packet);
        }
        while let Some(event) = stack.poll_event() {
            match event {
                Event::Connect { flow, .. } => flows.push(flow),
                Event::Query { query, .. } => queries.push(query),
                Event::Readable(_) | Event::Writable(_) => {}
            }
        }
        let _ = stack.poll_timeout();
    }
});
