//! What a worker is told at its start: what it may offer its peer.

use carrick_config::sshd::Options;
use carrick_config::words::ServerCompression;

use super::super::endpoint::Endpoint;
use super::super::login::signature_names;
use super::super::sign::key_type;
use crate::handoff::Handoff;
use crate::log;
use crate::rpc::preauth::Setup;

/// By the configuration as it is before anybody has said a name.
pub(super) fn setup(options: &Options, handoff: &Handoff, peer: &Endpoint) -> Setup {
    let blobs: Vec<_> = handoff
        .host_keys
        .iter()
        .flat_map(|key| std::iter::once(&key.public).chain(&key.certificate))
        .filter_map(|blob| Some((key_type(blob)?, blob)))
        .collect();
    let host_keys = options
        .host_key_algorithms
        .iter()
        .filter_map(|name| {
            let algorithm = carrick_keys::algorithm::find(name)?;
            let (_, blob) = blobs.iter().find(|(kind, _)| *kind == algorithm.key_type)?;
            Some((name.clone(), (*blob).clone()))
        })
        .collect();
    let compression: &[&str] = match options.compression {
        ServerCompression::No => &["none"],
        ServerCompression::Delayed => &["none", "zlib@openssh.com"],
    };
    Setup {
        version_addendum: options.version_addendum.clone(),
        kex: options.kex_algorithms.clone(),
        ciphers: options.ciphers.clone(),
        macs: options.macs.clone(),
        compression: compression.iter().map(|name| (*name).to_owned()).collect(),
        host_keys,
        user_key_algorithms: signature_names(&options.pubkey_accepted_algorithms),
        rekey_bytes: options.rekey_limit.bytes,
        rekey_seconds: options.rekey_limit.time.as_secs(),
        log_level: log::level().number(),
        peer: peer.pair(),
        cell: handoff.cell.clone(),
    }
}
