//! All connections and queries of one device.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use smoltcp::time as small;

use crate::dns;
use crate::event::{Event, FlowId, QueryId, Refusal};
use crate::flow::{Flow, Gone, Read};
use crate::output::Output;
use crate::packet::{self, Packet, Payload, Segment, Unreachable};

/// Connections at a time, asked for or open; more are refused. A connection of
/// SSH has no more channels than that.
const FLOWS: usize = 4000;
/// Bytes that may wait in each direction of a connection: while there are few,
/// and of those that come later. All 4000 together hold less than 400 MiB, and
/// what a connection does not use of that is not even touched.
const FEW: usize = 256;
const ROOM_LARGE: usize = 256 * 1024;
const ROOM_SMALL: usize = 32 * 1024;
/// DNS queries at a time; more are dropped, and asked again by whoever asked.
const QUERIES: usize = 256;
/// The port that name servers listen at.
const DNS: u16 = 53;

/// What holds for the device.
#[derive(Debug, Clone)]
pub struct Config {
    /// The longest packet.
    pub mtu: usize,
    /// The addresses whose port 53 takes DNS queries by UDP.
    pub resolvers: Vec<IpAddr>,
    /// Makes sequence numbers hard to guess.
    pub seed: u64,
}

/// Who and where to.
type Pair = (SocketAddr, SocketAddr);

struct Asker {
    from: SocketAddr,
    to: SocketAddr,
    /// How large an answer it takes, by its question.
    most: usize,
}

enum Slot {
    /// Wants to be a connection; its first packet, to be answered later.
    Asked {
        first: Vec<u8>,
    },
    Open(Box<Flow>),
}

/// All of it. Packets go in by [`Self::input`]; then, and after commands, what
/// came of it is taken by [`Self::poll_event`] and [`Self::poll_output`], and
/// when nothing is left, [`Self::poll_timeout`] says when to call [`Self::run`].
pub struct Stack {
    config: Config,
    start: Instant,
    next: u64,
    flows: BTreeMap<FlowId, (Pair, Slot)>,
    by_pair: BTreeMap<Pair, FlowId>,
    /// Connections with something to do, each once ([`Flow::queued`]).
    due: VecDeque<FlowId>,
    timers: BTreeSet<(small::Instant, FlowId)>,
    queries: BTreeMap<QueryId, Asker>,
    events: VecDeque<Event>,
    output: Output,
}

impl Stack {
    /// With nothing in it.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            start: now,
            next: 0,
            flows: BTreeMap::new(),
            by_pair: BTreeMap::new(),
            due: VecDeque::new(),
            timers: BTreeSet::new(),
            queries: BTreeMap::new(),
            events: VecDeque::new(),
            output: Output::default(),
        }
    }

    fn time(&self, now: Instant) -> small::Instant {
        let passed = now.saturating_duration_since(self.start);
        small::Instant::from_micros(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX))
    }

    fn new_number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// A packet from the device.
    pub fn input(&mut self, now: Instant, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else {
            return;
        };
        match packet.payload {
            Payload::Tcp(segment) => {
                self.segment(now, bytes, packet.source, packet.target, &segment);
            }
            Payload::Udp {
                source_port,
                target_port,
                data,
            } => {
                let from = SocketAddr::new(packet.source, source_port);
                let to = SocketAddr::new(packet.target, target_port);
                self.datagram(bytes, from, to, data);
            }
            Payload::Unanswerable => {}
            Payload::Other => self.refuse(bytes, Unreachable::Prohibited),
        }
    }

    fn refuse(&mut self, bytes: &[u8], why: Unreachable) {
        self.output.answer(packet::unreachable(bytes, why));
    }

    fn segment(
        &mut self,
        now: Instant,
        bytes: &[u8],
        source: IpAddr,
        target: IpAddr,
        segment: &Segment,
    ) {
        let from = SocketAddr::new(source, segment.source_port);
        let to = SocketAddr::new(target, segment.target_port);
        if let Some(&id) = self.by_pair.get(&(from, to)) {
            match self.flows.get_mut(&id) {
                Some((_, Slot::Open(_))) => return self.service(id, Some(bytes), self.time(now)),
                // It asks again, as there is no answer yet: the latest counts.
                Some((_, Slot::Asked { first })) if segment.syn && !segment.ack => {
                    bytes.clone_into(first);
                }
                _ => {}
            }
            return;
        }
        if !segment.syn || segment.ack || segment.rst || self.flows.len() >= FLOWS {
            self.output.answer(packet::reset(source, target, segment));
            return;
        }
        let flow = FlowId(self.new_number());
        let first = bytes.to_vec();
        self.by_pair.insert((from, to), flow);
        self.flows.insert(flow, ((from, to), Slot::Asked { first }));
        self.events.push_back(Event::Connect { flow, from, to });
    }

    fn datagram(&mut self, bytes: &[u8], from: SocketAddr, to: SocketAddr, data: &[u8]) {
        if to.port() != DNS || !self.config.resolvers.contains(&to.ip()) {
            self.refuse(bytes, Unreachable::Port);
            return;
        }
        if self.queries.len() >= QUERIES || !dns::is_query(data) {
            return;
        }
        let query = QueryId(self.new_number());
        let most = dns::largest_answer(data);
        self.queries.insert(query, Asker { from, to, most });
        self.events.push_back(Event::Query {
            query,
            to: to.ip(),
            message: data.to_vec(),
        });
    }

    /// The answer to a query; `None`: there is none, and whoever asked will
    /// find out by asking again.
    pub fn answer(&mut self, query: QueryId, message: Option<&[u8]>) {
        let (Some(asker), Some(message)) = (self.queries.remove(&query), message) else {
            return;
        };
        let fitted = dns::fitted(message, asker.most);
        let packet = fitted.and_then(|message| packet::datagram(asker.to, asker.from, &message));
        self.output.answer(packet);
    }

    /// Where the connection was to go is reached: the program is told.
    pub fn connected(&mut self, id: FlowId, now: Instant) {
        let Some(((_, to), Slot::Asked { first })) = self.flows.get_mut(&id) else {
            return;
        };
        let (to, first) = (*to, std::mem::take(first));
        // Numbers that a stranger cannot guess, and different ones each time.
        let seed = mix(self.config.seed, id.0);
        let time = self.time(now);
        let room = if self.flows.len() <= FEW {
            ROOM_LARGE
        } else {
            ROOM_SMALL
        };
        match Flow::new(to, room, seed, self.config.mtu, time) {
            Some(flow) => {
                if let Some((_, slot)) = self.flows.get_mut(&id) {
                    *slot = Slot::Open(Box::new(flow));
                }
                self.service(id, Some(&first), time);
            }
            None => self.forget(id),
        }
    }

    /// It is not: the program is told why.
    pub fn refused(&mut self, id: FlowId, why: Refusal) {
        let Some((_, Slot::Asked { first })) = self.flows.get_mut(&id) else {
            return;
        };
        let first = std::mem::take(first);
        let answer = match why {
            Refusal::Refused => Packet::parse(&first).and_then(|packet| match packet.payload {
                Payload::Tcp(segment) => packet::reset(packet.source, packet.target, &segment),
                _ => None,
            }),
            Refusal::Unreachable => packet::unreachable(&first, Unreachable::Host),
            Refusal::Prohibited => packet::unreachable(&first, Unreachable::Prohibited),
        };
        self.output.answer(answer);
        self.forget(id);
    }

    fn open(&mut self, id: FlowId) -> Option<&mut Flow> {
        match self.flows.get_mut(&id) {
            Some((_, Slot::Open(flow))) => Some(flow),
            _ => None,
        }
    }

    /// Has the connection looked at by the next [`Self::run`].
    fn queue(&mut self, id: FlowId) {
        if let Some(flow) = self.open(id)
            && !core::mem::replace(&mut flow.queued, true)
        {
            self.due.push_back(id);
        }
    }

    /// Reads what the program has sent.
    pub fn read(&mut self, id: FlowId, into: &mut [u8]) -> Read {
        let Some(flow) = self.open(id) else {
            return Read::Reset;
        };
        let read = flow.read(into);
        if matches!(read, Read::Data(_)) {
            self.queue(id);
        }
        read
    }

    /// Sends the program as much of `bytes` as there is room for. If that is
    /// nothing, `Writable` comes when there is more.
    pub fn write(&mut self, id: FlowId, bytes: &[u8]) -> Result<usize, Gone> {
        let wrote = self.open(id).ok_or(Gone)?.write(bytes)?;
        if wrote > 0 {
            self.queue(id);
        }
        Ok(wrote)
    }

    /// The program is told that no more comes.
    pub fn finish(&mut self, id: FlowId) {
        if let Some(flow) = self.open(id) {
            flow.finish();
            self.queue(id);
        }
    }

    /// The application has no more use for the connection: it ends as it
    /// should, or with `reset` at once.
    pub fn release(&mut self, id: FlowId, reset: bool) {
        match self.flows.get_mut(&id) {
            Some((_, Slot::Open(flow))) => {
                if reset {
                    flow.abort();
                } else {
                    flow.finish();
                }
                flow.released = true;
                self.queue(id);
            }
            Some((_, Slot::Asked { .. })) => self.refused(id, Refusal::Refused),
            None => {}
        }
    }

    /// The device is about to go: what connections there are end with a reset,
    /// which the packets after the next [`Self::run`] tell.
    pub fn end(&mut self) {
        let all: Vec<_> = self.flows.keys().copied().collect();
        for id in all {
            self.release(id, true);
        }
    }

    /// Does what is due: to be called after commands, and at
    /// [`Self::poll_timeout`].
    pub fn run(&mut self, now: Instant) {
        let time = self.time(now);
        while let Some(&(at, id)) = self.timers.first()
            && at <= time
        {
            self.timers.pop_first();
            if let Some(flow) = self.open(id) {
                flow.timer = None;
            }
            self.queue(id);
        }
        // Those that find no room come to the end of the queue, and wait.
        for _ in 0..self.due.len() {
            if !self.output.has_room() {
                return;
            }
            let Some(id) = self.due.pop_front() else {
                return;
            };
            if let Some(flow) = self.open(id) {
                flow.queued = false;
            }
            self.service(id, None, time);
        }
    }

    fn service(&mut self, id: FlowId, input: Option<&[u8]>, time: small::Instant) {
        let Some((_, Slot::Open(flow))) = self.flows.get_mut(&id) else {
            return;
        };
        flow.run(input, &mut self.output, self.config.mtu, time);
        if flow.reader_waits && flow.is_readable() {
            flow.reader_waits = false;
            self.events.push_back(Event::Readable(id));
        }
        if flow.writer_waits && flow.is_writable() {
            flow.writer_waits = false;
            self.events.push_back(Event::Writable(id));
        }
        if flow.is_over() {
            return self.over(id);
        }
        let next = flow.next(time);
        let old = flow.timer.take();
        if let Some(at) = next {
            if at <= time {
                // It found no room.
                self.queue(id);
            } else {
                flow.timer = next;
            }
        }
        if let Some(old) = old {
            self.timers.remove(&(old, id));
        }
        if let Some(at) = next.filter(|at| *at > time) {
            self.timers.insert((at, id));
        }
    }

    /// The program's end is gone: its place is free for another. The rest goes
    /// with the application's.
    fn over(&mut self, id: FlowId) {
        let Some((pair, Slot::Open(flow))) = self.flows.get_mut(&id) else {
            return;
        };
        if let Some(timer) = flow.timer.take() {
            self.timers.remove(&(timer, id));
        }
        if self.by_pair.get(pair) == Some(&id) {
            self.by_pair.remove(pair);
        }
        if flow.released {
            self.flows.remove(&id);
        }
    }

    fn forget(&mut self, id: FlowId) {
        if let Some((pair, _)) = self.flows.remove(&id)
            && self.by_pair.get(&pair) == Some(&id)
        {
            self.by_pair.remove(&pair);
        }
    }

    /// The next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next packet for the device.
    pub fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop()
    }

    /// Takes back what [`Self::poll_output`] gave, to be used again.
    pub fn recycle(&mut self, packet: Vec<u8>) {
        self.output.recycle(packet);
    }

    /// When to call [`Self::run`] next: at once, if that is in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.due.is_empty() {
            return Some(self.start);
        }
        let (at, _) = self.timers.first()?;
        let micros = u64::try_from(at.total_micros()).unwrap_or_default();
        Some(self.start + Duration::from_micros(micros))
    }

    /// How many connections there are, in whatever state.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }
}

/// Another seed for each number (the finisher of SplitMix64).
fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
