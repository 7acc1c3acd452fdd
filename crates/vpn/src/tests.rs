//! The stack against a program's end that is smoltcp's too, in virtual time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use smoltcp::iface::{Config as HostConfig, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as Small;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::*;

const MTU: usize = 1500;
const HERE: &str = "198.18.0.1";
const HERE_V6: &str = "fd43::1";

#[derive(Default)]
struct Queues {
    input: std::collections::VecDeque<Vec<u8>>,
    output: std::collections::VecDeque<Vec<u8>>,
}

struct Packet(Vec<u8>);
struct Space<'a>(&'a mut Queues);

impl RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Space<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let done = f(&mut packet);
        self.0.output.push_back(packet);
        done
    }
}

impl Device for Queues {
    type RxToken<'a> = Packet;
    type TxToken<'a> = Space<'a>;

    fn receive(&mut self, _: Small) -> Option<(Packet, Space<'_>)> {
        Some((Packet(self.input.pop_front()?), Space(self)))
    }

    fn transmit(&mut self, _: Small) -> Option<Space<'_>> {
        Some(Space(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

/// A stack, and a machine with programs on it.
struct Bench {
    stack: Stack,
    start: Instant,
    now: Instant,
    host: Interface,
    sockets: SocketSet<'static>,
    queues: Queues,
    next_port: u16,
    /// Every so many packets one is lost.
    loss: usize,
    packets: usize,
}

impl Bench {
    #[expect(
        clippy::disallowed_methods,
        reason = "an origin for virtual time; there is no other"
    )]
    fn new() -> Self {
        let now = Instant::now();
        let config = Config {
            mtu: MTU,
            resolvers: vec!["198.18.0.53".parse().unwrap()],
            seed: 7,
        };
        let mut queues = Queues::default();
        let mut host = Interface::new(
            HostConfig::new(HardwareAddress::Ip),
            &mut queues,
            Small::ZERO,
        );
        host.update_ip_addrs(|all| {
            all.push(IpCidr::new(HERE.parse().unwrap(), 32)).unwrap();
            all.push(IpCidr::new(HERE_V6.parse().unwrap(), 128))
                .unwrap();
        });
        host.routes_mut()
            .add_default_ipv4_route(HERE.parse().unwrap())
            .unwrap();
        host.routes_mut()
            .add_default_ipv6_route(HERE_V6.parse().unwrap())
            .unwrap();
        Self {
            stack: Stack::new(config, now),
            start: now,
            now,
            host,
            sockets: SocketSet::new(Vec::new()),
            queues,
            next_port: 40_000,
            loss: usize::MAX,
            packets: 0,
        }
    }

    fn small(&self) -> Small {
        Small::from_micros(i64::try_from((self.now - self.start).as_micros()).unwrap())
    }

    /// A program that connects.
    fn connect(&mut self, to: &str) -> SocketHandle {
        let buffer = || SocketBuffer::new(vec![0; 64 * 1024]);
        let mut socket = Socket::new(buffer(), buffer());
        let to: SocketAddr = to.parse().unwrap();
        self.next_port += 1;
        socket
            .connect(self.host.context(), to, self.next_port)
            .unwrap();
        self.sockets.add(socket)
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    fn lost(&mut self) -> bool {
        self.packets += 1;
        self.packets.is_multiple_of(self.loss)
    }

    /// Moves packets until none is left; then a millisecond passes.
    fn step(&mut self) {
        loop {
            let now = self.small();
            self.host.poll(now, &mut self.queues, &mut self.sockets);
            let mut moved = false;
            while let Some(packet) = self.queues.output.pop_front() {
                moved = true;
                if !self.lost() {
                    self.stack.input(self.now, &packet);
                }
            }
            self.stack.run(self.now);
            while let Some(packet) = self.stack.poll_output() {
                moved = true;
                if !self.lost() {
                    self.queues.input.push_back(packet.clone());
                }
                self.stack.recycle(packet);
            }
            if !moved {
                break;
            }
        }
        self.now += Duration::from_millis(1);
    }

    /// Ten minutes go by.
    fn wait(&mut self) {
        for _ in 0..60 {
            self.now += Duration::from_secs(10);
            self.step();
        }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.stack.poll_event()).collect()
    }

    /// A connection that both ends have.
    fn connected(&mut self, to: &str) -> (SocketHandle, FlowId) {
        let program = self.connect(to);
        self.step();
        let connects = self.events().into_iter().filter_map(|event| match event {
            Event::Connect { flow, to, .. } => Some((flow, to)),
            _ => None,
        });
        let [(flow, wanted)] = connects.collect::<Vec<_>>()[..] else {
            panic!("no connection")
        };
        assert_eq!(wanted, to.parse().unwrap());
        assert_eq!(self.socket(program).state(), State::SynSent);
        self.stack.connected(flow, self.now);
        self.step();
        assert_eq!(self.socket(program).state(), State::Established);
        (program, flow)
    }

    /// A connection that is no more: it is left alone, and nothing is kept of it.
    fn is_gone(&mut self, flow: FlowId) {
        assert_eq!(self.stack.read(flow, &mut [0; 8]), Read::Reset);
        assert_eq!(self.stack.write(flow, b"x"), Err(Gone));
        self.stack.release(flow, false);
        self.step();
        assert_eq!(self.stack.flow_count(), 0);
    }

    /// What answers a packet.
    fn answer(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.stack.input(self.now, packet);
        self.stack.poll_output()
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// Both ways at once, each to its end: from the program first.
fn exchange(bench: &mut Bench, to: &str, len: usize) {
    let (program, flow) = bench.connected(to);
    let data = pattern(len);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (mut sent_up, mut sent_down) = (0, 0);
    let mut ended = false;
    let mut buffer = vec![0; 10_000];
    for _ in 0..200_000 {
        let socket = bench.socket(program);
        if sent_up < len {
            sent_up += socket.send_slice(&data[sent_up..]).unwrap();
            if sent_up == len {
                socket.close();
            }
        }
        if let Ok(got) = socket.recv_slice(&mut buffer) {
            down.extend_from_slice(&buffer[..got]);
        }
        loop {
            match bench.stack.read(flow, &mut buffer) {
                Read::Data(got) => up.extend_from_slice(&buffer[..got]),
                Read::Nothing => break,
                Read::End => {
                    ended = true;
                    break;
                }
                Read::Reset => panic!("reset"),
            }
        }
        if sent_down < len {
            sent_down += bench.stack.write(flow, &data[sent_down..]).unwrap();
        } else if ended {
            bench.stack.finish(flow);
        }
        bench.step();
        if ended && !bench.socket(program).may_recv() && sent_down == len {
            break;
        }
    }
    assert!(
        up == data && down == data,
        "{} up, {} down of {len}",
        up.len(),
        down.len()
    );
    bench.stack.release(flow, false);
    for _ in 0..20_000 {
        bench.step();
        if bench.stack.flow_count() == 0 {
            break;
        }
    }
    assert_eq!(bench.stack.flow_count(), 0);
}

#[test]
fn bytes_go_both_ways_to_their_end() {
    exchange(&mut Bench::new(), "10.1.2.3:80", 2_000_000);
    exchange(&mut Bench::new(), "[2001:db8::5]:443", 300_000);
}

#[test]
fn lost_packets_are_sent_again() {
    let mut bench = Bench::new();
    bench.loss = 23;
    // The first packets arrive: they are this test's own business.
    exchange(&mut bench, "10.1.2.3:80", 100_000);
}

#[test]
fn a_refusal_is_told_as_it_is() {
    let mut bench = Bench::new();
    for (why, resets) in [
        (Refusal::Refused, true),
        (Refusal::Unreachable, false),
        (Refusal::Prohibited, false),
    ] {
        let program = bench.connect("10.1.2.3:81");
        bench.step();
        let [Event::Connect { flow, .. }] = bench.events()[..] else {
            panic!("no connection")
        };
        bench.stack.refused(flow, why);
        let packet = bench.stack.poll_output().unwrap();
        // The protocol; then type and code of ICMP, or the flags of TCP.
        if resets {
            assert_eq!((packet[9], packet[20 + 13] & 0x14), (6, 0x14));
        } else {
            let code = if why == Refusal::Unreachable { 1 } else { 13 };
            assert_eq!(packet[9], 1);
            assert_eq!(packet[20..22], [3, code]);
            assert_eq!(packet[28 + 16..28 + 20], [10, 1, 2, 3]);
        }
        bench.queues.input.push_back(packet);
        bench.step();
        if resets {
            assert_eq!(bench.socket(program).state(), State::Closed);
        }
        bench.sockets.remove(program);
        assert_eq!(bench.stack.flow_count(), 0);
    }
}

#[test]
fn a_question_that_is_repeated_is_put_once() {
    let mut bench = Bench::new();
    let program = bench.connect("10.1.2.3:82");
    for _ in 0..5000 {
        bench.step();
    }
    let [Event::Connect { flow, .. }] = bench.events()[..] else {
        panic!("not one connection")
    };
    bench.stack.connected(flow, bench.now);
    bench.step();
    assert_eq!(bench.socket(program).state(), State::Established);
}

#[test]
fn a_reset_is_a_reset_at_the_other_end() {
    let mut bench = Bench::new();
    let (program, flow) = bench.connected("10.1.2.3:80");
    bench.socket(program).abort();
    bench.step();
    assert!(bench.events().contains(&Event::Readable(flow)));
    bench.is_gone(flow);

    let (program, flow) = bench.connected("10.1.2.3:80");
    bench.stack.release(flow, true);
    bench.step();
    assert_eq!(bench.socket(program).state(), State::Closed);
    assert_eq!(bench.stack.flow_count(), 0);
}

#[test]
fn a_slow_reader_holds_its_own_program_up() {
    let mut bench = Bench::new();
    let (program, flow) = bench.connected("10.1.2.3:80");
    let (other, other_flow) = bench.connected("10.1.2.3:80");
    let chunk = pattern(10_000);
    let mut taken = 0;
    for _ in 0..500 {
        taken += bench.socket(program).send_slice(&chunk).unwrap();
        bench.step();
    }
    // Both buffers are full, and that is all.
    assert!(taken < 400_000, "{taken}");
    bench.socket(other).send_slice(b"hello").unwrap();
    bench.step();
    assert_eq!(bench.stack.read(other_flow, &mut [0; 8]), Read::Data(5));
    let mut buffer = vec![0; 100_000];
    let mut got = 0;
    for _ in 0..500 {
        while let Read::Data(len) = bench.stack.read(flow, &mut buffer) {
            got += len;
        }
        bench.step();
    }
    assert_eq!(got, taken);
}

#[test]
fn a_released_connection_waits_for_nobody_for_ever() {
    let mut bench = Bench::new();
    let (program, flow) = bench.connected("10.1.2.3:80");
    bench.stack.write(flow, b"goodbye").unwrap();
    bench.stack.release(flow, false);
    bench.step();
    let mut buffer = [0; 16];
    assert_eq!(bench.socket(program).recv_slice(&mut buffer), Ok(7));
    assert_eq!(bench.stack.flow_count(), 1);
    // The program's acknowledgement takes its time.
    for _ in 0..50 {
        bench.step();
    }
    bench.now += Duration::from_secs(61);
    bench.step();
    assert_eq!(bench.socket(program).state(), State::Closed);
    assert_eq!(bench.stack.flow_count(), 0);
}

#[test]
fn a_program_that_is_gone_is_given_up_and_a_silent_one_is_not() {
    let mut bench = Bench::new();
    let (silent, flow) = bench.connected("10.1.2.3:80");
    bench.wait();
    bench.socket(silent).send_slice(b"still here").unwrap();
    bench.step();
    assert_eq!(bench.stack.read(flow, &mut [0; 16]), Read::Data(10));
    // Now nothing arrives any more.
    let _ = (bench.events(), bench.stack.read(flow, &mut [0; 16]));
    bench.loss = 1;
    bench.wait();
    assert!(bench.events().contains(&Event::Readable(flow)));
    bench.is_gone(flow);
}

#[test]
fn one_that_never_agrees_is_given_up() {
    let mut bench = Bench::new();
    let program = bench.connect("10.1.2.3:80");
    bench.step();
    let [Event::Connect { flow, .. }] = bench.events()[..] else {
        panic!("no connection")
    };
    bench.sockets.remove(program);
    bench.loss = 1;
    bench.stack.connected(flow, bench.now);
    bench.wait();
    bench.is_gone(flow);
}

#[test]
fn at_the_end_every_program_is_told() {
    let mut bench = Bench::new();
    let programs: Vec<_> = (0..300).map(|_| bench.connected("10.1.2.3:80").0).collect();
    let asking = bench.connect("10.1.2.3:80");
    bench.step();
    bench.stack.end();
    bench.step();
    for program in programs.into_iter().chain([asking]) {
        assert_eq!(bench.socket(program).state(), State::Closed);
    }
    assert_eq!(bench.stack.flow_count(), 0);
}

#[test]
fn hundreds_at_once() {
    let mut bench = Bench::new();
    let programs: Vec<_> = (0..300).map(|_| bench.connect("10.1.2.3:80")).collect();
    bench.step();
    let flows: BTreeMap<u16, FlowId> = bench
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Connect { flow, from, .. } => (from.port(), flow),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(flows.len(), 300);
    for flow in flows.values() {
        bench.stack.connected(*flow, bench.now);
    }
    bench.step();
    for program in programs {
        let port = bench.socket(program).local_endpoint().unwrap().port;
        bench
            .socket(program)
            .send_slice(&port.to_be_bytes())
            .unwrap();
    }
    bench.step();
    for (port, flow) in &flows {
        let mut got = [0; 4];
        assert_eq!(bench.stack.read(*flow, &mut got), Read::Data(2));
        assert_eq!(got[..2], port.to_be_bytes());
        bench.stack.release(*flow, true);
    }
    bench.step();
    assert_eq!(bench.stack.flow_count(), 0);
}

fn datagram(to: &str, data: &[u8]) -> Vec<u8> {
    let to: SocketAddr = to.parse().unwrap();
    let from: IpAddr = if to.is_ipv4() { HERE } else { HERE_V6 }.parse().unwrap();
    packet::datagram(SocketAddr::new(from, 1234), to, data).unwrap()
}

#[test]
fn datagrams_are_refused_in_so_many_words() {
    let mut bench = Bench::new();
    let answer = bench.answer(&datagram("10.1.2.3:123", b"time?")).unwrap();
    assert_eq!((answer[9], &answer[20..22]), (1, &[3, 3][..]));
    let answer = bench
        .answer(&datagram("[2001:db8::1]:443", b"quic"))
        .unwrap();
    assert_eq!((answer[6], &answer[40..42]), (58, &[1, 4][..]));
    // The resolver takes questions, at its port.
    assert!(bench.answer(&datagram("198.18.0.53:5353", b"x")).is_some());
    assert_eq!(bench.answer(&datagram("198.18.0.53:53", b"x")), None);
    assert_eq!(bench.events(), []);
    // What is for many is for nobody here, and errors are not answered.
    for to in ["224.0.0.251:5353", "255.255.255.255:67", "[ff02::fb]:5353"] {
        assert_eq!(bench.answer(&datagram(to, b"x")), None, "{to}");
    }
    let error = packet::unreachable(&datagram("10.1.2.3:1", b"x"), packet::Unreachable::Port);
    assert_eq!(bench.answer(&error.unwrap()), None);
}

#[test]
fn a_ping_is_refused_and_not_answered_in_anothers_name() {
    let mut bench = Bench::new();
    let mut ping = datagram("10.1.2.3:1", b"ping");
    ping[9] = 1;
    ping[20..24].copy_from_slice(&[8, 0, 0, 0]);
    let answer = bench.answer(&ping).unwrap();
    assert_eq!((answer[9], &answer[20..22]), (1, &[3, 13][..]));
}

#[test]
fn names_are_asked_for_and_answered() {
    let mut bench = Bench::new();
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
    assert_eq!(bench.answer(&datagram("198.18.0.53:53", query)), None);
    let [
        Event::Query {
            query: id,
            ref message,
            ..
        },
    ] = bench.events()[..]
    else {
        panic!("no query")
    };
    assert_eq!(message, query);
    let mut reply = query.to_vec();
    reply[2] |= 0x80;
    bench.stack.answer(id, Some(&reply));
    let packet = bench.stack.poll_output().unwrap();
    assert_eq!(packet[12..16], [198, 18, 0, 53]);
    assert_eq!(packet[28..], reply);
    // Once.
    bench.stack.answer(id, Some(&reply));
    assert_eq!(bench.stack.poll_output(), None);
}

#[test]
fn too_many_queries_are_dropped() {
    let mut bench = Bench::new();
    let query = datagram("198.18.0.53:53", &[0; 12]);
    for _ in 0..1000 {
        bench.stack.input(bench.now, &query);
    }
    assert_eq!(bench.events().len(), 256);
}

#[test]
fn too_many_connections_are_refused() {
    let mut bench = Bench::new();
    let mut handle = None;
    bench.next_port = 1;
    for _ in 0..4001 {
        if let Some(handle) = handle.take() {
            bench.sockets.remove(handle);
        }
        handle = Some(bench.connect("10.1.2.3:80"));
        let now = bench.small();
        bench.host.poll(now, &mut bench.queues, &mut bench.sockets);
        let packet = bench.queues.output.pop_front().unwrap();
        bench.stack.input(bench.now, &packet);
    }
    assert_eq!(bench.stack.flow_count(), 4000);
    let refused = bench.stack.poll_output().unwrap();
    assert_eq!((refused[9], refused[20 + 13] & 0x04), (6, 0x04));
}

#[test]
fn a_segment_of_no_connection_is_reset() {
    let mut bench = Bench::new();
    let (program, flow) = bench.connected("10.1.2.3:80");
    bench.stack.release(flow, true);
    // The reset is lost; the program goes on.
    bench.stack.run(bench.now);
    while bench.stack.poll_output().is_some() {}
    bench.socket(program).send_slice(b"anybody there?").unwrap();
    bench.step();
    assert_eq!(bench.socket(program).state(), State::Closed);
}

#[test]
fn packets_that_are_cut_or_flipped_do_no_harm() {
    let mut bench = Bench::new();
    let (program, _) = bench.connected("10.1.2.3:80");
    bench.socket(program).send_slice(b"hello").unwrap();
    let now = bench.small();
    bench.host.poll(now, &mut bench.queues, &mut bench.sockets);
    let mut packets: Vec<_> = bench.queues.output.drain(..).collect();
    packets.push(datagram("198.18.0.53:53", &[0; 12]));
    packets.push(datagram("[2001:db8::1]:443", b"quic"));
    for packet in packets {
        for at in 0..packet.len() {
            bench.stack.input(bench.now, &packet[..at]);
            for bit in 0..8 {
                let mut other = packet.clone();
                other[at] ^= 1 << bit;
                bench.stack.input(bench.now, &other);
            }
            while bench.stack.poll_output().is_some() {}
            bench.events();
        }
    }
}
