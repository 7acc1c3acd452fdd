//! Logging in with a key file, for the examples.

use carrick::client::{AuthReply, ClientConfig, Unverified};
use carrick_keys::known_hosts::{KnownHosts, Lookup, host_name};
use carrick_keys::{PrivateKey, PublicKey};

pub(crate) type Anything = Box<dyn std::error::Error>;

/// Connects to `HOST:PORT` and logs in. The host key must be in
/// `~/.ssh/known_hosts`: none is added.
pub(crate) async fn login(
    address: &str,
    user: &str,
    key_file: &str,
) -> Result<carrick::Connection, Anything> {
    let socket = tokio::net::TcpStream::connect(address).await?;
    let host = Unverified::connect(socket, ClientConfig::new("CarrickExample_0.1")).await?;
    if !is_known(address, host.host_key())? {
        host.reject();
        return Err("the host key is not in ~/.ssh/known_hosts".into());
    }
    let mut login = host.accept().await?;

    let key = PrivateKey::parse_file(&std::fs::read(key_file)?, None)?;
    let blob = key.public().to_blob();
    let algorithm = key
        .signature_algorithms()
        .into_iter()
        .find(|name| login.server_takes(name) != Some(false))
        .ok_or("the server takes no signature that this key can make")?;
    let data = login.publickey_signed_data(user, algorithm, &blob);
    let signature = key.sign(algorithm, &data)?;
    let reply = login.publickey(user, algorithm, &blob, &signature).await?;
    if reply != AuthReply::Success {
        return Err(format!("not let in: {reply:?}").into());
    }

    Ok(login.into_connection().map_err(|_| "not logged in")?)
}

fn is_known(address: &str, key: &PublicKey) -> Result<bool, Anything> {
    let home = std::env::var("HOME")?;
    let text = std::fs::read(format!("{home}/.ssh/known_hosts")).unwrap_or_default();
    let (host, port) = address.rsplit_once(':').ok_or("HOST:PORT")?;
    let hosts = KnownHosts::parse(&text, "known_hosts");
    let found = hosts.for_host(&host_name(host, port.parse()?));
    Ok(matches!(found.lookup(key), Lookup::Match(_)))
}
