//! Two of our muxes back to back, driven by random operations: every byte
//! arrives once and in order, every request gets its own answer, and when all
//! is closed nothing is left.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const STREAMS: [Stream; 2] = [Stream::Data, Stream::Stderr];
const A: usize = 0;
const B: usize = 1;

#[derive(Debug, Clone)]
enum Op {
    Open {
        side: usize,
    },
    Accept {
        side: usize,
        refuse: bool,
    },
    Write {
        side: usize,
        channel: usize,
        stream: usize,
        len: usize,
    },
    Fill {
        side: usize,
        channel: usize,
        stream: usize,
        len: usize,
    },
    Read {
        side: usize,
        channel: usize,
        stream: usize,
    },
    Discard {
        side: usize,
        channel: usize,
    },
    Eof {
        side: usize,
        channel: usize,
    },
    Close {
        side: usize,
        channel: usize,
    },
    Ask {
        side: usize,
        channel: usize,
        reply: bool,
    },
    Answer {
        side: usize,
        which: usize,
    },
    AskGlobal {
        side: usize,
    },
    AnswerGlobal {
        side: usize,
        which: usize,
    },
    Deliver {
        side: usize,
        count: usize,
    },
    Events {
        side: usize,
    },
    Room {
        side: usize,
        room: usize,
    },
    Wait {
        ms: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let side = 0..2usize;
    let at = (0..2usize, 0..4usize);
    let data = (
        0..2usize,
        0..4usize,
        0..2usize,
        prop_oneof![0..40usize, 0..70_000usize],
    );
    prop_oneof![
        2 => side.clone().prop_map(|side| Op::Open { side }),
        3 => (side.clone(), prop::bool::weighted(0.1))
            .prop_map(|(side, refuse)| Op::Accept { side, refuse }),
        6 => data.clone().prop_map(|(side, channel, stream, len)| {
            Op::Write { side, channel, stream, len }
        }),
        4 => data.prop_map(|(side, channel, stream, len)| {
            Op::Fill { side, channel, stream, len }
        }),
        8 => (0..2usize, 0..4usize, 0..2usize)
            .prop_map(|(side, channel, stream)| Op::Read { side, channel, stream }),
        1 => at.clone().prop_map(|(side, channel)| Op::Discard { side, channel }),
        1 => at.clone().prop_map(|(side, channel)| Op::Eof { side, channel }),
        1 => at.clone().prop_map(|(side, channel)| Op::Close { side, channel }),
        2 => (at, any::<bool>())
            .prop_map(|((side, channel), reply)| Op::Ask { side, channel, reply }),
        2 => (side.clone(), 0..5usize).prop_map(|(side, which)| Op::Answer { side, which }),
        1 => side.clone().prop_map(|side| Op::AskGlobal { side }),
        1 => (side.clone(), 0..5usize).prop_map(|(side, which)| Op::AnswerGlobal { side, which }),
        10 => (side.clone(), 1..20usize).prop_map(|(side, count)| Op::Deliver { side, count }),
        6 => side.clone().prop_map(|side| Op::Events { side }),
        2 => (side, prop_oneof![Just(0usize), 32_768..300_000usize])
            .prop_map(|(side, room)| Op::Room { side, room }),
        1 => (1..300u64).prop_map(|ms| Op::Wait { ms }),
    ]
}

/// What one stream in one direction carries at `at`.
fn byte(tag: u32, side: usize, stream: usize, at: usize) -> u8 {
    let salt = usize::try_from(tag).unwrap() * 7 + side * 3 + stream;
    u8::try_from((at * 31 + at / 251 + salt) % 256).unwrap()
}

/// One side's view of a channel.
#[derive(Debug, Default)]
struct View {
    tag: u32,
    written: [usize; 2],
    read: [usize; 2],
    discards: bool,
    sent_eof: bool,
    closed: bool,
    peer_closed: bool,
    heard_eof: bool,
}

#[derive(Debug)]
struct Side {
    end: End,
    views: BTreeMap<ChannelId, View>,
    /// Opened by us, by id, until the peer answers.
    opening: BTreeMap<ChannelId, u32>,
    offers: Vec<(ChannelId, u32)>,
    questions: Vec<(ChannelId, RequestId, bool)>,
    /// What the answer to each request of ours will be.
    asked: BTreeMap<RequestId, bool>,
    global_questions: Vec<(GlobalId, bool)>,
    global_asked: BTreeMap<GlobalId, bool>,
}

#[derive(Debug)]
struct World {
    sides: [Side; 2],
    tags: u32,
}

impl Side {
    fn new(role: Role, config: MuxConfig) -> Self {
        Self {
            end: End::new(role, config),
            views: BTreeMap::new(),
            opening: BTreeMap::new(),
            offers: Vec::new(),
            questions: Vec::new(),
            asked: BTreeMap::new(),
            global_questions: Vec::new(),
            global_asked: BTreeMap::new(),
        }
    }

    fn pick(&self, channel: usize) -> Option<ChannelId> {
        let ids: Vec<_> = self.views.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[channel % ids.len()])
    }

    fn events(&mut self) {
        self.end.mux.look(self.end.now);
        while let Some(event) = self.end.event() {
            self.event(event);
        }
    }

    fn event(&mut self, event: ChannelEvent) {
        match event {
            ChannelEvent::Opened(id) => {
                let tag = self.opening.remove(&id).unwrap();
                self.views.insert(
                    id,
                    View {
                        tag,
                        ..View::default()
                    },
                );
            }
            ChannelEvent::OpenRefused { id, .. } => {
                self.opening.remove(&id).unwrap();
            }
            ChannelEvent::OpenRequest { id, kind } => {
                let Open::Tun { unit, .. } = kind else {
                    panic!()
                };
                self.offers.push((id, unit));
            }
            ChannelEvent::Request { id, request, reply } => {
                let Request::Break { ms } = request else {
                    panic!()
                };
                if let Some(reply) = reply {
                    self.questions.push((id, reply, ms % 2 == 1));
                }
            }
            ChannelEvent::Reply { request, ok, .. } => {
                assert_eq!(self.asked.remove(&request), Some(ok));
            }
            ChannelEvent::GlobalRequest { request, reply } => {
                let GlobalRequest::TcpipForward { port, .. } = request else {
                    panic!()
                };
                self.global_questions.push((reply.unwrap(), port % 2 == 1));
            }
            ChannelEvent::GlobalReply { id, ok, .. } => {
                assert_eq!(self.global_asked.remove(&id), Some(ok));
            }
            ChannelEvent::Eof(id) => self.views.get_mut(&id).unwrap().heard_eof = true,
            ChannelEvent::Closed(id) => {
                let view = self.views.get_mut(&id).unwrap();
                view.peer_closed = true;
                if view.closed {
                    self.views.remove(&id);
                }
            }
            ChannelEvent::Readable(..) | ChannelEvent::Writable(_) => {}
        }
    }

    fn read(&mut self, side: usize, id: ChannelId, stream: usize) -> bool {
        let view = self.views.get_mut(&id).unwrap();
        if view.closed {
            return false;
        }
        let Some(piece) = self
            .end
            .mux
            .read(&mut self.end.out, id, STREAMS[stream])
            .unwrap()
        else {
            return false;
        };
        for got in &piece {
            let expected = byte(view.tag, 1 - side, stream, view.read[stream]);
            assert_eq!(*got, expected, "channel {id} at {}", view.read[stream]);
            view.read[stream] += 1;
        }
        true
    }

    fn write(&mut self, side: usize, id: ChannelId, stream: usize, len: usize, fill: bool) {
        let view = self.views.get_mut(&id).unwrap();
        let at = view.written[stream];
        let data: Vec<u8> = (at..at + len)
            .map(|at| byte(view.tag, side, stream, at))
            .collect();
        let End { mux, out, .. } = &mut self.end;
        let sent = if fill {
            let result = mux.space(out, id, STREAMS[stream], len);
            result.map(|space| {
                space.map_or(0, |space| {
                    space.copy_from_slice(&data[..space.len()]);
                    space.len()
                })
            })
        } else {
            mux.write(out, id, STREAMS[stream], &data)
        };
        match sent {
            Ok(sent) => {
                if fill && sent > 0 {
                    mux.commit(out, id, STREAMS[stream], sent).unwrap();
                }
                assert!(!view.closed && !view.sent_eof);
                view.written[stream] += sent;
            }
            Err(ChannelError::AfterEof) => assert!(view.sent_eof && !view.closed),
            // The peer's CLOSE may be known to the mux before it is an event.
            Err(ChannelError::Closed | ChannelError::Unknown) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn close(&mut self, id: ChannelId) {
        let view = self.views.get_mut(&id).unwrap();
        if !core::mem::replace(&mut view.closed, true) {
            self.end.mux.close(&mut self.end.out, id).unwrap();
            if view.peer_closed {
                self.views.remove(&id);
            }
        }
    }
}

impl World {
    fn new(configs: [MuxConfig; 2]) -> Self {
        let [a, b] = configs;
        Self {
            sides: [Side::new(Role::Client, a), Side::new(Role::Server, b)],
            tags: 0,
        }
    }

    fn deliver(&mut self, to: usize, count: usize) {
        for _ in 0..count {
            let Some(payload) = self.sides[1 - to].end.out.messages.pop_front() else {
                return;
            };
            let end = &mut self.sides[to].end;
            end.mux.handle(payload, end.now, &mut end.out).unwrap();
            self.check_bounds(to);
        }
    }

    fn check_bounds(&self, side: usize) {
        for channel in self.sides[side].end.mux.channels.values() {
            let Channel::Live(live) = channel else {
                continue;
            };
            let window = &live.receive.window;
            assert!(window.size() <= limits::WINDOW_MOST && window.open() <= window.size());
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Open { side } => {
                let side = &mut self.sides[side];
                if side.views.len() + side.opening.len() < 4 {
                    self.tags += 1;
                    let kind = Open::Tun {
                        mode: 1,
                        unit: self.tags,
                    };
                    let id = side.end.mux.open(&mut side.end.out, &kind).unwrap();
                    side.opening.insert(id, self.tags);
                }
            }
            Op::Accept { side, refuse } => self.accept(side, refuse),
            Op::Write {
                side,
                channel,
                stream,
                len,
            } => {
                if let Some(id) = self.sides[side].pick(channel) {
                    self.sides[side].write(side, id, stream, len, false);
                }
            }
            Op::Fill {
                side,
                channel,
                stream,
                len,
            } => {
                if let Some(id) = self.sides[side].pick(channel) {
                    self.sides[side].write(side, id, stream, len, true);
                }
            }
            Op::Read {
                side,
                channel,
                stream,
            } => {
                if let Some(id) = self.sides[side].pick(channel) {
                    self.sides[side].read(side, id, stream);
                }
            }
            Op::Discard { side, channel } => self.with(side, channel, |view, end, id| {
                view.discards = true;
                let _ = end.mux.discard(&mut end.out, id);
            }),
            Op::Eof { side, channel } => self.with(side, channel, |view, end, id| {
                view.sent_eof |= end.mux.eof(&mut end.out, id).is_ok();
            }),
            Op::Close { side, channel } => {
                if let Some(id) = self.sides[side].pick(channel) {
                    self.sides[side].close(id);
                }
            }
            Op::Deliver { side, count } => self.deliver(side, count),
            Op::Events { side } => self.sides[side].events(),
            Op::Room { side, room } => self.sides[side].end.out.room = room,
            Op::Wait { ms } => {
                for side in &mut self.sides {
                    side.end.now += Duration::from_millis(ms);
                }
            }
            Op::Ask { .. } | Op::Answer { .. } | Op::AskGlobal { .. } | Op::AnswerGlobal { .. } => {
                self.run_request(op);
            }
        }
    }

    fn run_request(&mut self, op: &Op) {
        match *op {
            Op::Ask {
                side,
                channel,
                reply,
            } => {
                self.tags += 1;
                let ms = self.tags;
                let side = &mut self.sides[side];
                let Some(id) = side.pick(channel) else { return };
                let request = Request::Break { ms };
                if side.questions.len() < 100 {
                    let asked = side.end.mux.request(&mut side.end.out, id, &request, reply);
                    if let (true, Ok(asked)) = (reply, asked) {
                        side.asked.insert(asked, ms % 2 == 1);
                    }
                }
            }
            Op::Answer { side, which } => {
                let side = &mut self.sides[side];
                if !side.questions.is_empty() {
                    let (id, request, ok) = side.questions.remove(which % side.questions.len());
                    let _ = side.end.mux.answer(&mut side.end.out, id, request, ok);
                }
            }
            Op::AskGlobal { side } => {
                self.tags += 1;
                let side = &mut self.sides[side];
                let request = GlobalRequest::TcpipForward {
                    address: String::new(),
                    port: self.tags,
                };
                let id = side
                    .end
                    .mux
                    .global_request(&mut side.end.out, &request, true)
                    .unwrap();
                side.global_asked.insert(id, self.tags % 2 == 1);
            }
            Op::AnswerGlobal { side, which } => {
                let side = &mut self.sides[side];
                if !side.global_questions.is_empty() {
                    let which = which % side.global_questions.len();
                    let (id, ok) = side.global_questions.remove(which);
                    let answer = if ok {
                        GlobalAnswer::Success(vec![])
                    } else {
                        GlobalAnswer::Failure
                    };
                    side.end
                        .mux
                        .answer_global(&mut side.end.out, id, answer)
                        .unwrap();
                }
            }
            _ => {}
        }
    }

    fn with(&mut self, side: usize, channel: usize, f: impl Fn(&mut View, &mut End, ChannelId)) {
        let side = &mut self.sides[side];
        if let Some(id) = side.pick(channel) {
            let view = side.views.get_mut(&id).unwrap();
            if !view.closed {
                f(view, &mut side.end, id);
            }
        }
    }

    fn accept(&mut self, side: usize, refuse: bool) {
        let side = &mut self.sides[side];
        let Some((id, tag)) = side.offers.pop() else {
            return;
        };
        let End { mux, out, .. } = &mut side.end;
        if refuse {
            mux.refuse(out, id, OpenReason::CONNECT_FAILED, "no")
                .unwrap();
        } else {
            mux.accept(out, id).unwrap();
            side.views.insert(
                id,
                View {
                    tag,
                    ..View::default()
                },
            );
        }
    }

    /// Everything sent is delivered, everything asked answered, everything
    /// that came is read, until nothing moves any more.
    fn settle(&mut self) {
        for side in &mut self.sides {
            side.end.out.room = usize::MAX;
            // Nobody waits for those who were told and did not come.
            side.events();
            side.end.now += Duration::from_millis(20);
        }
        loop {
            let mut moved = false;
            for side in [A, B] {
                self.deliver(side, usize::MAX);
                self.sides[side].events();
                while !self.sides[side].offers.is_empty() {
                    self.accept(side, false);
                }
                while !self.sides[side].questions.is_empty() {
                    self.run(&Op::Answer { side, which: 0 });
                }
                while !self.sides[side].global_questions.is_empty() {
                    self.run(&Op::AnswerGlobal { side, which: 0 });
                }
                let ids: Vec<_> = self.sides[side].views.keys().copied().collect();
                for (id, stream) in ids.iter().flat_map(|id| [(*id, 0), (*id, 1)]) {
                    while self.sides[side].read(side, id, stream) {
                        moved = true;
                    }
                }
            }
            moved |= self
                .sides
                .iter()
                .any(|side| !side.end.out.messages.is_empty());
            if !moved {
                return;
            }
        }
    }

    /// Of every channel that neither side closed, all bytes have arrived.
    fn check_all_arrived(&self) {
        let [a, b] = &self.sides;
        for (here, there) in [(a, b), (b, a)] {
            for (id, view) in &here.views {
                let Some(other) = there.views.values().find(|other| other.tag == view.tag) else {
                    continue;
                };
                if !view.discards && !view.closed {
                    assert_eq!(view.read, other.written, "channel {id}");
                    let over = other.sent_eof || other.closed;
                    assert_eq!(view.heard_eof || view.peer_closed, over, "channel {id}");
                }
            }
            assert!(here.global_asked.is_empty());
        }
    }

    /// And yet more can be sent: no window was lost.
    fn check_alive(&mut self) {
        for side in [A, B] {
            let ids: Vec<_> = self.sides[side]
                .views
                .iter()
                .filter_map(|(id, view)| {
                    (!view.closed && !view.peer_closed && !view.sent_eof).then_some(*id)
                })
                .collect();
            for id in ids {
                let before = self.sides[side].views[&id].written[0];
                for _ in 0..50 {
                    self.sides[side].write(side, id, 0, 1000, false);
                    self.settle();
                }
                assert!(self.sides[side].views[&id].written[0] >= before + 50);
            }
        }
    }

    fn close_all(&mut self) {
        for side in [A, B] {
            let ids: Vec<_> = self.sides[side].views.keys().copied().collect();
            for id in ids {
                self.sides[side].close(id);
            }
        }
        self.settle();
        for side in &self.sides {
            side.end.assert_clean();
            assert!(side.views.is_empty() && side.opening.is_empty());
        }
    }
}

fn config() -> impl Strategy<Value = MuxConfig> {
    let window = prop_oneof![
        Just(1u32),
        2..100u32,
        1000..100_000u32,
        Just(limits::WINDOW_FIRST)
    ];
    let packet = prop_oneof![Just(1u32), 2..100u32, Just(limits::DATA_PACKET)];
    (window, packet).prop_map(|(first_window, max_packet)| MuxConfig {
        first_window,
        // Packets of one byte are slow to test with more than a little data.
        max_packet: if first_window > 1000 {
            max_packet.max(100)
        } else {
            max_packet
        },
        ..MuxConfig::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn every_byte_arrives_and_nothing_leaks(
        a in config(),
        b in config(),
        ops in prop::collection::vec(op(), 0..150),
    ) {
        let mut world = World::new([a, b]);
        for op in &ops {
            world.run(op);
        }
        world.settle();
        world.check_all_arrived();
        world.check_alive();
        world.close_all();
    }
}
