//! Runs a command on a host: `exec HOST:PORT USER KEYFILE COMMAND`.

mod login;

use std::io::Write;

use carrick::Exit;
use login::{Anything, login};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, user, key_file, command] = args.as_slice() else {
        return Err("usage: exec HOST:PORT USER KEYFILE COMMAND".into());
    };
    let connection = login(address, user, key_file).await?;
    let output = connection.exec(command).await?.output().await?;
    std::io::stdout().write_all(&output.stdout)?;
    std::io::stderr().write_all(&output.stderr)?;
    match output.exit {
        Exit::Status(0) => Ok(()),
        other => Err(format!("{command}: {other:?}").into()),
    }
}
