//! Signatures by the agent that has the host's keys (HostKeyAgent).
//!
//! The agent is the administrator's. One that hangs holds up one connection,
//! and not for ever; its answer is read up to a bound, and must be a signature
//! of the kind that was asked for.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use carrick_keys::agent::AgentClient;

use crate::listener::bind::strerror;

/// How long the agent may take for a step.
const PATIENCE: Duration = Duration::from_secs(30);

/// A line to the agent at `path`.
pub fn connect(path: &str) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Has the agent sign `data` with the key of that blob. The error is for the
/// log.
pub fn sign(path: &str, key: &[u8], data: &[u8], algorithm: &str) -> Result<Vec<u8>, String> {
    let problem = |problem: io::Error| format!("{path}: {}", strerror(&problem));
    let mut stream = connect(path).map_err(problem)?;
    let request = AgentClient::sign_request(key, data, algorithm);
    stream.write_all(&request).map_err(problem)?;
    let mut client = AgentClient::new();
    let mut buffer = [0; 4096];
    loop {
        match client.next_response() {
            Ok(Some(response)) => {
                return AgentClient::signature(response, algorithm)
                    .map_err(|problem| format!("{path}: {problem}"));
            }
            Ok(None) => {}
            Err(problem) => return Err(format!("{path}: {problem}")),
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(format!("{path}: connection closed")),
            Ok(count) => client.received(buffer.get(..count).unwrap_or_default()),
            Err(interrupted) if interrupted.kind() == io::ErrorKind::Interrupted => {}
            Err(other) => return Err(problem(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// An agent that answers one request with `answer`.
    fn asked(answer: &'static [u8]) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        let agent = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer).unwrap();
        });
        let signed = sign(path.to_str().unwrap(), b"key", b"data", "ssh-ed25519");
        agent.join().unwrap();
        signed
    }

    #[test]
    fn a_signature_is_taken_and_nothing_else() {
        let good = b"\0\0\0\x18\x0e\0\0\0\x13\0\0\0\x0bssh-ed25519\0\0\0\0";
        assert_eq!(asked(good).unwrap().len(), 19);
        for bad in [
            // Nothing, a refusal, another algorithm, an endless answer.
            &b""[..],
            b"\0\0\0\x01\x05",
            b"\0\0\0\x14\x0e\0\0\0\x0f\0\0\0\x07ssh-rsa\0\0\0\0",
            b"\xff\xff\xff\xff\x0e",
        ] {
            assert!(asked(bad).is_err());
        }
        assert!(sign("/nonexistent/agent", b"", b"", "ssh-ed25519").is_err());
    }
}
