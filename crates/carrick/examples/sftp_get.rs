//! Gets files: `sftp_get HOST:PORT USER KEYFILE REMOTE...`. They move at the
//! same time, over one connection, into the current folder.

mod login;

use std::path::Path;

use login::{Anything, login};
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, user, key_file, remote @ ..] = args.as_slice() else {
        return Err("usage: sftp_get HOST:PORT USER KEYFILE REMOTE...".into());
    };
    let sftp = login(address, user, key_file).await?.sftp().await?;
    let mut jobs = JoinSet::new();
    for path in remote.iter().cloned() {
        let sftp = sftp.clone();
        jobs.spawn(async move {
            let name = Path::new(&path).file_name().unwrap_or_default();
            let len = sftp.download(&path, name).await;
            (path, len)
        });
    }
    let mut failed = false;
    while let Some(done) = jobs.join_next().await {
        match done? {
            (path, Ok(len)) => println!("{path}: {len} bytes"),
            (path, Err(why)) => {
                eprintln!("{path}: {why}");
                failed = true;
            }
        }
    }
    if failed {
        return Err("not all files came".into());
    }
    Ok(())
}
