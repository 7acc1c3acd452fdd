//! Key exchange as part of a connection: when it starts, how keys come into
//! force.

use std::time::Duration;

use carrick_wire::msg::transport::{KexInit, NewKeys};
use carrick_wire::{Encode, Reader};

use super::{Connection, Phase, Side};
use crate::error::{Error, PeerFault};
use crate::event::{Event, Trace};
use crate::kex::negotiate::{CLIENT_MARKERS, Compression, SERVER_MARKERS, agree, our_kexinit};
use crate::kex::{Finished, Opening, Step, derive};
use crate::limits;

/// Keys that are replaced sooner than this had better been used.
const SHORT_LIFE: Duration = Duration::from_secs(1);

impl<S: Side> Connection<S> {
    /// Sends our KEXINIT, if none is out.
    pub(super) fn open_kex(&mut self) {
        if !matches!(self.kex, Step::Idle) {
            return;
        }
        let first = self.session_id.is_none();
        let markers = if S::CLIENT {
            &CLIENT_MARKERS
        } else {
            &SERVER_MARKERS
        };
        let ours = our_kexinit(
            &self.config.preferences,
            markers,
            first,
            &mut *self.output.rng,
        );
        self.output.transport(&ours);
        self.events.push_back(Event::Trace(Trace::KexInitSent));
        self.output.block();
        self.rekey_wanted = false;
        self.kex = Step::ExpectInit { ours };
    }

    /// Starts an exchange when the keys in force have done their work.
    pub(super) fn maybe_rekey(&mut self) {
        if self.dead.is_some() || self.plain || !self.is_open() || !matches!(self.kex, Step::Idle) {
            return;
        }
        let rekey = &self.config.rekey;
        let (c2s, s2c) = self.bounds;
        let (out, inc) = if S::CLIENT { (c2s, s2c) } else { (s2c, c2s) };
        if self.rekey_wanted
            || rekey.due(self.output.sealer.usage(), out, self.now)
            || rekey.due(self.opener.usage(), inc, self.now)
        {
            self.open_kex();
        }
    }

    /// New keys cost much and are asked for with few bytes: a peer that wants
    /// them again and again, at once and without a use of those it has, is up
    /// to no good.
    fn check_need(&mut self) -> Result<(), Error> {
        let age = self
            .now
            .saturating_duration_since(self.opener.usage().since());
        let unused = self.output.sealer.usage().packets() == 0;
        if !self.is_open() || !matches!(self.kex, Step::Idle) {
            return Ok(());
        }
        if !unused || age > SHORT_LIFE {
            self.rekeys_for_nothing = 0;
            return Ok(());
        }
        self.rekeys_for_nothing += 1;
        if self.rekeys_for_nothing > limits::KEX_FOR_NOTHING {
            return Err(PeerFault::TooMany("key exchanges for nothing").into());
        }
        Ok(())
    }

    pub(super) fn peer_kexinit(&mut self, payload: &[u8], seq: u32) -> Result<(), Error> {
        self.check_need()?;
        self.open_kex();
        let ours = match core::mem::replace(&mut self.kex, Step::Idle) {
            Step::ExpectInit { ours } => ours,
            other => {
                self.kex = other;
                return Err(self.out_of_place(payload));
            }
        };
        if !self.is_open() && self.kex_count >= limits::KEX_BEFORE_LOGIN {
            return Err(PeerFault::TooMany("key exchanges before login").into());
        }
        let (client, server) = if S::CLIENT {
            (&*ours, payload)
        } else {
            (payload, &*ours)
        };
        let malformed = |error| {
            Error::from(PeerFault::Malformed {
                message: KexInit::NAME,
                error,
            })
        };
        let client_init: KexInit<'_> = Reader::all(client).map_err(malformed)?;
        let server_init: KexInit<'_> = Reader::all(server).map_err(malformed)?;
        let agreed = agree(&client_init, &server_init, S::CLIENT)?;
        let first = self.session_id.is_none();
        if first {
            self.strict = agreed.peer_strict;
            self.peer_ext_info = agreed.peer_ext_info;
            if self.strict && seq != 0 {
                return Err(PeerFault::Strict("KEXINIT was not the first packet").into());
            }
        }
        self.events.push_back(Event::Trace(Trace::KexInitReceived));
        self.skip_guess = agreed.ignore_guess;
        self.negotiated = Some(agreed.names.clone());
        self.events.push_back(Event::KexStarted { first });
        let (ours_ident, peer_ident) = (self.ours.clone(), self.peer.clone());
        let peer_ident = peer_ident.ok_or(Error::Crypto("key exchange without identification"))?;
        let (client_ident, server_ident) = if S::CLIENT {
            (ours_ident, peer_ident)
        } else {
            (peer_ident, ours_ident)
        };
        let opening = Opening {
            client_ident,
            server_ident,
            client_kexinit: client.to_vec(),
            server_kexinit: server.to_vec(),
            agreed,
        };
        (S::hooks().begin)(self, Box::new(opening))
    }

    pub(super) fn kex_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        match core::mem::replace(&mut self.kex, Step::Idle) {
            Step::Side(step) => (S::hooks().kex)(self, step, payload),
            other => {
                self.kex = other;
                Err(self.out_of_place(payload))
            }
        }
    }

    /// The exchange has its secret, and proof of who the server is: our
    /// NEWKEYS goes out, and with it our new key comes into force.
    pub(super) fn finish_kex(&mut self, finished: Finished) {
        let id = self.session_id.get_or_insert_with(|| finished.hash.clone());
        let (outgoing, incoming) = derive(&finished, id, S::CLIENT);
        let agreed = &finished.opening.agreed;
        self.bounds = (
            agreed.c2s.cipher.rekey_bytes_default(),
            agreed.s2c.cipher.rekey_bytes_default(),
        );
        self.output.transport(&NewKeys {}.to_vec());
        self.events.push_back(Event::Trace(Trace::NewKeysSent));
        let sealer = &mut self.output.sealer;
        sealer.rekey(
            outgoing.key,
            outgoing.framing,
            outgoing.block,
            self.strict,
            self.now,
        );
        let open = matches!(self.phase, Phase::Open(_));
        sealer.compress(compressed(outgoing.compression, open));
        self.kex = Step::ExpectNewKeys(Box::new(incoming));
        if self.kex_count == 0 {
            // EXT_INFO must be the first message under the new keys.
            (S::hooks().secured)(self);
        }
        self.output.unblock();
        self.limit_key();
    }

    /// Holds the sender to what its key may be used for. Before login keys are
    /// not renewed, so there is no limit either.
    pub(super) fn limit_key(&mut self) {
        let (c2s, s2c) = self.bounds;
        let bound = if S::CLIENT { c2s } else { s2c };
        if self.is_open() {
            self.output.limit_key(self.config.rekey.within(bound));
        }
    }

    pub(super) fn new_keys(&mut self) -> Result<(), Error> {
        let incoming = match core::mem::replace(&mut self.kex, Step::Idle) {
            Step::ExpectNewKeys(incoming) => incoming,
            other => {
                self.kex = other;
                return Err(self.out_of_place(&[NewKeys::NUMBER]));
            }
        };
        self.events.push_back(Event::Trace(Trace::NewKeysReceived));
        let (key, framing, block) = (incoming.key, incoming.framing, incoming.block);
        self.opener
            .rekey(key, framing, block, self.strict, self.now);
        let open = matches!(self.phase, Phase::Open(_));
        self.opener.inflate(compressed(incoming.compression, open));
        self.events.push_back(Event::KexDone {
            first: self.kex_count == 0,
        });
        self.kex_count = self.kex_count.saturating_add(1);
        if !S::CLIENT {
            self.rtt.stop(self.now);
        }
        Ok(())
    }

    /// What changes with the login: `zlib@openssh.com` starts, and keys wear out.
    pub(super) fn logged_in(&mut self) {
        self.limit_key();
        let Some(negotiated) = &self.negotiated else {
            return;
        };
        let (out, inc) = if S::CLIENT {
            (negotiated.c2s.compression, negotiated.s2c.compression)
        } else {
            (negotiated.s2c.compression, negotiated.c2s.compression)
        };
        let delayed = carrick_wire::names::compression::ZLIB_OPENSSH;
        if out == delayed {
            self.output.sealer.compress(true);
        }
        if inc == delayed {
            self.opener.inflate(true);
        }
    }
}

fn compressed(compression: Compression, logged_in: bool) -> bool {
    match compression {
        Compression::None => false,
        Compression::Now => true,
        Compression::AfterLogin => logged_in,
    }
}
