//! Algorithm negotiation: RFC 4253 section 7.1, RFC 8308 section 2.1, and
//! OpenSSH's strict key exchange.

use carrick_crypto::kex::{Kex, kex};
use carrick_crypto::packet::{Cipher, Mac, cipher, mac};
use carrick_crypto::rng::Rng;
use carrick_crypto::select;
use carrick_keys::algorithm::{self, Certificates};
use carrick_wire::msg::transport::KexInit;
use carrick_wire::{NameList, names};

use crate::error::{Error, NoCommon, PeerFault, printable};
use crate::limits;

/// What we offer, each list in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// Key exchange methods.
    pub kex: Vec<String>,
    /// Host key signature algorithms.
    pub host_key: Vec<String>,
    /// Ciphers, the same for both directions.
    pub ciphers: Vec<String>,
    /// MACs, the same for both directions.
    pub macs: Vec<String>,
    /// Compression methods, the same for both directions.
    pub compression: Vec<String>,
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// The default signature algorithms of plain keys: whoever judges certificates
/// puts a list of its own in place of this.
pub(crate) fn default_algorithms() -> Vec<String> {
    algorithm::offered(&algorithm::defaults(), Certificates::Refused)
        .map(str::to_owned)
        .collect()
}

impl Preferences {
    /// OpenSSH 10's for a client.
    pub fn client() -> Self {
        Self {
            kex: owned(select::KEX_CLIENT),
            host_key: default_algorithms(),
            ciphers: owned(select::CIPHERS_DEFAULT),
            macs: owned(select::MACS_DEFAULT),
            compression: owned(select::COMPRESSION_DEFAULT),
        }
    }

    /// OpenSSH 10's for a server.
    pub fn server() -> Self {
        Self {
            kex: owned(select::KEX_SERVER),
            ..Self::client()
        }
    }
}

/// What one direction of the connection uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// The cipher.
    pub cipher: &'static str,
    /// The MAC; `None` with a cipher that authenticates (`<implicit>` in logs).
    pub mac: Option<&'static str>,
    /// `none`, `zlib` or `zlib@openssh.com`.
    pub compression: &'static str,
}

/// The outcome of a negotiation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The key exchange method.
    pub kex: &'static str,
    /// The host key signature algorithm.
    pub host_key: String,
    /// The algorithms that the server has host keys for, as it listed them.
    pub server_host_keys: String,
    /// Client to server.
    pub c2s: Direction,
    /// Server to client.
    pub s2c: Direction,
}

/// A negotiation's outcome, with the tables behind the names.
pub(crate) struct Agreed {
    pub(crate) names: Negotiated,
    pub(crate) kex: &'static Kex,
    pub(crate) c2s: Suite,
    pub(crate) s2c: Suite,
    /// The peer sent its first packet on a wrong guess: it must be ignored.
    pub(crate) ignore_guess: bool,
    /// The peer knows strict key exchange (looked at in the first exchange only).
    pub(crate) peer_strict: bool,
    /// The peer takes EXT_INFO.
    pub(crate) peer_ext_info: bool,
}

/// The tables of one direction.
#[derive(Clone, Copy)]
pub(crate) struct Suite {
    pub(crate) cipher: &'static Cipher,
    pub(crate) mac: Option<&'static Mac>,
    pub(crate) compression: Compression,
}

/// When a direction is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    /// From NEWKEYS on.
    Now,
    /// From login on.
    AfterLogin,
}

/// The pseudo-methods that say more than they negotiate.
pub(crate) struct Markers {
    pub(crate) ext_info: &'static str,
    pub(crate) strict: &'static str,
}

/// What a client puts into its list.
pub(crate) const CLIENT_MARKERS: Markers = Markers {
    ext_info: names::kex_marker::EXT_INFO_C,
    strict: names::kex_marker::STRICT_C,
};
/// What a server puts into its list.
pub(crate) const SERVER_MARKERS: Markers = Markers {
    ext_info: names::kex_marker::EXT_INFO_S,
    strict: names::kex_marker::STRICT_S,
};

/// Our KEXINIT, as the payload that enters the exchange hash.
pub(crate) fn our_kexinit(
    prefs: &Preferences,
    markers: &Markers,
    first: bool,
    rng: &mut dyn Rng,
) -> Vec<u8> {
    let mut cookie = [0; 16];
    rng.fill(&mut cookie);
    let mut kex = prefs.kex.join(",");
    if first {
        for marker in [markers.ext_info, markers.strict] {
            kex.push(',');
            kex.push_str(marker);
        }
    }
    let [host_key, ciphers, macs, compression] = [
        &prefs.host_key,
        &prefs.ciphers,
        &prefs.macs,
        &prefs.compression,
    ]
    .map(|l| l.join(","));
    let list = |text| NameList::new(text);
    carrick_wire::Encode::to_vec(&KexInit {
        cookie,
        kex: list(&kex),
        host_key: list(&host_key),
        cipher_c2s: list(&ciphers),
        cipher_s2c: list(&ciphers),
        mac_c2s: list(&macs),
        mac_s2c: list(&macs),
        compression_c2s: list(&compression),
        compression_s2c: list(&compression),
        languages_c2s: list(""),
        languages_s2c: list(""),
        first_kex_packet_follows: false,
        reserved: 0,
    })
}

/// The first of the client's names that the server has too.
fn choose<'a>(
    what: &'static str,
    client: &NameList<'a>,
    server: &NameList<'a>,
    we_are_client: bool,
) -> Result<&'a str, Error> {
    client
        .iter()
        .find(|name| server.contains(name))
        .ok_or_else(|| {
            let (ours, theirs) = if we_are_client {
                (client, server)
            } else {
                (server, client)
            };
            Error::NoCommon(NoCommon {
                what,
                ours: ours.as_str().to_owned(),
                theirs: printable(theirs.as_str()),
            })
        })
}

fn direction(
    client: [&NameList<'_>; 3],
    server: [&NameList<'_>; 3],
    we_are_client: bool,
) -> Result<(Direction, Suite), Error> {
    let [ciphers, macs, compressions] = client;
    let [s_ciphers, s_macs, s_compressions] = server;
    let pick = |what, c, s| choose(what, c, s, we_are_client);
    let name = pick("cipher", ciphers, s_ciphers)?;
    let chosen = cipher(name).ok_or(Error::Crypto("looking up the cipher"))?;
    let chosen_mac = if chosen.aead {
        None
    } else {
        let name = pick("MAC", macs, s_macs)?;
        Some(mac(name).ok_or(Error::Crypto("looking up the MAC"))?)
    };
    let (compression, when) = match pick("compression method", compressions, s_compressions)? {
        names::compression::ZLIB => (names::compression::ZLIB, Compression::Now),
        names::compression::ZLIB_OPENSSH => {
            (names::compression::ZLIB_OPENSSH, Compression::AfterLogin)
        }
        _ => (names::compression::NONE, Compression::None),
    };
    let names = Direction {
        cipher: chosen.name,
        mac: chosen_mac.map(|m| m.name),
        compression,
    };
    Ok((
        names,
        Suite {
            cipher: chosen,
            mac: chosen_mac,
            compression: when,
        },
    ))
}

/// Negotiates between the two KEXINITs.
pub(crate) fn agree(
    client: &KexInit<'_>,
    server: &KexInit<'_>,
    we_are_client: bool,
) -> Result<Agreed, Error> {
    let theirs = if we_are_client { server } else { client };
    for list in [
        &theirs.kex,
        &theirs.host_key,
        &theirs.cipher_c2s,
        &theirs.cipher_s2c,
        &theirs.mac_c2s,
        &theirs.mac_s2c,
        &theirs.compression_c2s,
        &theirs.compression_s2c,
    ] {
        if list.iter().nth(limits::NAMES).is_some() {
            return Err(PeerFault::TooMany("names in a KEXINIT").into());
        }
    }
    let markers = if we_are_client {
        &SERVER_MARKERS
    } else {
        &CLIENT_MARKERS
    };
    let name = choose(
        "key exchange method",
        &client.kex,
        &server.kex,
        we_are_client,
    )?;
    let method = kex(name).ok_or(Error::Crypto("looking up the key exchange method"))?;
    let host_key = choose(
        "host key type",
        &client.host_key,
        &server.host_key,
        we_are_client,
    )?;
    let (c2s_names, c2s) = direction(
        [&client.cipher_c2s, &client.mac_c2s, &client.compression_c2s],
        [&server.cipher_c2s, &server.mac_c2s, &server.compression_c2s],
        we_are_client,
    )?;
    let (s2c_names, s2c) = direction(
        [&client.cipher_s2c, &client.mac_s2c, &client.compression_s2c],
        [&server.cipher_s2c, &server.mac_s2c, &server.compression_s2c],
        we_are_client,
    )?;
    // RFC 4253 section 7.1: a guess is right when the first kex method and the
    // first host key algorithm of both sides are the same.
    let same = |a: &NameList<'_>, b: &NameList<'_>| a.iter().next() == b.iter().next();
    let guessed = same(&client.kex, &server.kex) && same(&client.host_key, &server.host_key);
    Ok(Agreed {
        names: Negotiated {
            kex: method.name,
            host_key: host_key.to_owned(),
            server_host_keys: server.host_key.as_str().to_owned(),
            c2s: c2s_names,
            s2c: s2c_names,
        },
        kex: method,
        c2s,
        s2c,
        ignore_guess: theirs.first_kex_packet_follows && !guessed,
        peer_strict: theirs.kex.contains(markers.strict),
        peer_ext_info: theirs.kex.contains(markers.ext_info),
    })
}
