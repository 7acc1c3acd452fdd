//! Adds up a folder on a host: `sftp_du HOST:PORT USER KEYFILE FOLDER`.

mod login;

use carrick::sftp::FileKind;
use login::{Anything, login};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, user, key_file, folder] = args.as_slice() else {
        return Err("usage: sftp_du HOST:PORT USER KEYFILE FOLDER".into());
    };
    let sftp = login(address, user, key_file).await?.sftp().await?;
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut walk = sftp.walk(folder);
    while let Some(found) = walk.next().await {
        match found {
            Ok(file) if file.attrs.kind() == Some(FileKind::Regular) => {
                files += 1;
                bytes += file.attrs.size.unwrap_or(0);
            }
            Ok(_) => {}
            Err(why) => eprintln!("{why}"),
        }
    }
    println!("{files} files, {bytes} bytes");
    Ok(())
}
