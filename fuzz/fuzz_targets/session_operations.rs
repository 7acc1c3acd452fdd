//! Two well-behaved applications that open, write, read, close, rekey in any
//! order: the connection never fails, and what is written arrives, in order,
//! on the channel it was written to.
#![no_main]

use std::time::Duration;

use carrick_fuzz::quick_pair;
use carrick_proto::Channels;
use carrick_proto::mux::{
    ChannelEvent, ChannelId, GlobalRequest, Open, OpenReason, Request, Stream,
};
use carrick_testkit::{Pair, Seen};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

/// Below the bounds on a peer, which are not what this is about.
const MAX_CHANNELS: usize = 6;
const MAX_QUESTIONS: usize = 16;
const MAX_REKEYS: usize = 2;

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Side {
    Client,
    Server,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Open,
    Answer { accept: bool },
    Write(Side, u8, u16),
    Read(Side, u8),
    Eof(Side, u8),
    Close(Side, u8),
    Request(Side, u8, bool),
    Global(Side, bool),
    Rekey(Side),
    Sleep(u16),
    StepClient,
    StepServer,
    Run,
}

/// One channel, seen from above.
struct Link {
    client: ChannelId,
    server: Option<ChannelId>,
    /// Bytes from client to server, and back.
    sent: [usize; 2],
    got: [usize; 2],
    /// Closed or refused: bytes may be lost.
    over: bool,
}

#[derive(Default)]
struct World {
    links: Vec<Link>,
    /// How many open requests the server's application has seen and answered.
    asked: usize,
    answered: usize,
    questions: usize,
    rekeys: usize,
}

fuzz_target!(|ops: Vec<Op>| {
    let mut pair = quick_pair();
    let mut world = World::default();
    for op in ops.iter().take(200) {
        world.apply(&mut pair, op);
        world.look(&mut pair);
    }
    world.finish(&mut pair);
});

fn channels(pair: &mut Pair, side: Side) -> Channels<'_> {
    let (found, why) = match side {
        Side::Client => (pair.client.error().map(ToString::to_string), "client"),
        Side::Server => (pair.server.error().map(ToString::to_string), "server"),
    };
    assert_eq!(found, None, "the {why} has failed");
    match side {
        Side::Client => pair.client.channels(),
        Side::Server => pair.server.channels(),
    }
    .expect("logged in")
}

/// What the byte at a place of a channel's direction is.
fn pattern(link: usize, place: usize) -> u8 {
    (place ^ (place >> 8) ^ (link << 5)).to_le_bytes()[0]
}

impl World {
    fn apply(&mut self, pair: &mut Pair, op: &Op) {
        match *op {
            Op::Open if self.links.len() < MAX_CHANNELS => {
                let opened = channels(pair, Side::Client).open(&Open::Session);
                let client = opened.expect("room for a channel");
                self.links.push(Link {
                    client,
                    server: None,
                    sent: [0; 2],
                    got: [0; 2],
                    over: false,
                });
            }
            Op::Answer { accept } if self.answered < self.asked => {
                let link = &mut self.links[self.answered];
                self.answered += 1;
                let id = link.server.expect("it was asked for");
                let mut server = channels(pair, Side::Server);
                let was_over = link.over;
                let answered = if accept {
                    server.accept(id)
                } else {
                    link.over = true;
                    server.refuse(id, OpenReason::RESOURCE_SHORTAGE, "full")
                };
                // Closing it before has answered the question too.
                assert!(answered.is_ok() || was_over, "{answered:?}");
            }
            Op::Write(side, n, len) => self.write(pair, side, n, usize::from(len)),
            Op::Read(side, n) => {
                if let Some((index, id)) = self.pick(side, n) {
                    self.read(pair, side, index, id);
                }
            }
            Op::Eof(side, n) => {
                if let Some((_, id)) = self.pick(side, n) {
                    let _ = channels(pair, side).eof(id);
                }
            }
            Op::Close(side, n) => {
                if let Some((index, id)) = self.pick(side, n) {
                    self.links[index].over |= channels(pair, side).close(id).is_ok();
                }
            }
            Op::Request(side, n, want_reply) if self.questions < MAX_QUESTIONS => {
                if let Some((_, id)) = self.pick(side, n) {
                    self.questions += usize::from(want_reply);
                    let request = Request::ExitStatus { code: 7 };
                    let _ = channels(pair, side).request(id, &request, want_reply);
                }
            }
            Op::Global(side, want_reply) if self.questions < MAX_QUESTIONS => {
                self.questions += usize::from(want_reply);
                let _ = channels(pair, side).global_request(&GlobalRequest::Keepalive, want_reply);
            }
            Op::Rekey(side) if self.rekeys < MAX_REKEYS => {
                self.rekeys += 1;
                match side {
                    Side::Client => pair.client.rekey(),
                    Side::Server => pair.server.rekey(),
                }
            }
            Op::Sleep(ms) => pair.sleep(Duration::from_millis(ms.into())),
            Op::StepClient => drop(pair.step_client()),
            Op::StepServer => drop(pair.step_server()),
            Op::Run => pair.run(),
            _ => {}
        }
    }

    /// A channel of a side, by any number.
    fn pick(&self, side: Side, n: u8) -> Option<(usize, ChannelId)> {
        let index = usize::from(n).checked_rem(self.links.len())?;
        let link = &self.links[index];
        let id = match side {
            Side::Client => Some(link.client),
            Side::Server => link.server,
        };
        id.map(|id| (index, id))
    }

    fn write(&mut self, pair: &mut Pair, side: Side, n: u8, len: usize) {
        let Some((index, id)) = self.pick(side, n) else {
            return;
        };
        let sent = &mut self.links[index].sent[side as usize];
        let data: Vec<u8> = (*sent..*sent + len)
            .map(|place| pattern(index, place))
            .collect();
        if let Ok(written) = channels(pair, side).write(id, Stream::Data, &data) {
            assert!(written <= len);
            *sent += written;
        }
    }

    fn read(&mut self, pair: &mut Pair, side: Side, index: usize, id: ChannelId) -> bool {
        let from = 1 - side as usize;
        let got = channels(pair, side).read(id, Stream::Data);
        let Ok(Some(data)) = got else { return false };
        let link = &mut self.links[index];
        for byte in &data {
            assert_eq!(
                *byte,
                pattern(index, link.got[from]),
                "in order, on its own channel"
            );
            link.got[from] += 1;
        }
        assert!(link.got[from] <= link.sent[from]);
        true
    }

    /// What the applications are told.
    fn look(&mut self, pair: &mut Pair) {
        for seen in pair.server_seen.drain(..) {
            if let Seen::Channel(ChannelEvent::OpenRequest { id, kind }) = seen {
                assert_eq!(kind, Open::Session);
                self.links[self.asked].server = Some(id);
                self.asked += 1;
            }
        }
        pair.client_seen.clear();
    }

    /// All that is on its way arrives.
    fn finish(&mut self, pair: &mut Pair) {
        loop {
            pair.run();
            self.look(pair);
            let mut moved = false;
            while self.answered < self.asked {
                self.apply(pair, &Op::Answer { accept: true });
                moved = true;
            }
            for index in 0..self.links.len() {
                for side in [Side::Client, Side::Server] {
                    let n = u8::try_from(index).expect("few channels");
                    if let Some((index, id)) = self.pick(side, n) {
                        moved |= self.read(pair, side, index, id);
                    }
                }
            }
            if !moved {
                break;
            }
        }
        for link in self.links.iter().filter(|link| !link.over) {
            assert_eq!(link.got, link.sent, "all that was written was read");
        }
    }
}
