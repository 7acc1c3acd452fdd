//! Names to addresses.

use std::net::{IpAddr, SocketAddr};
use std::thread;

pub(crate) use carrick_sys::resolve::addresses;
use tokio::sync::{Semaphore, oneshot};

/// Names that are looked up at a time beside everything else; more wait.
static PLACES: Semaphore = Semaphore::const_new(8);

/// As [`addresses`], beside everything else that this program does.
///
/// The thread that waits for the resolver is one of ours, and not of the
/// runtime's pool: it ends with its work, so that this program can still go to
/// the background, which it must not with several threads.
pub(crate) async fn lookup(
    host: &str,
    port: u16,
    ipv4: Option<bool>,
) -> Result<Vec<SocketAddr>, String> {
    if host.parse::<IpAddr>().is_ok() {
        return addresses(host, port, ipv4);
    }
    let gone = |_| "cannot look names up".to_owned();
    let _place = PLACES.acquire().await.map_err(|e| gone(e.to_string()))?;
    let (sender, found) = oneshot::channel();
    let host = host.to_owned();
    thread::Builder::new()
        .spawn(move || {
            // Whoever asked may not want to know any more.
            let _ = sender.send(addresses(&host, port, ipv4));
        })
        .map_err(|e| crate::text::os_error(&e))?;
    found.await.map_err(|e| gone(e.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_and_numbers() {
        let found = lookup("127.0.0.1", 7, None).await.unwrap();
        assert_eq!(found, ["127.0.0.1:7".parse().unwrap()]);
        let found = lookup("localhost", 7, Some(true)).await.unwrap();
        assert_eq!(found, ["127.0.0.1:7".parse().unwrap()]);
        assert!(lookup(&"x".repeat(70), 7, None).await.is_err());
    }
}
