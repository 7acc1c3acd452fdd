//! Why a connection ended, for the monitor to log.

use std::io;

use carrick::Error;
use carrick::proto::{self, PeerFault};

use crate::rpc::preauth::Ending;

/// The end that an error of the library means.
pub fn of(error: &Error) -> Ending {
    match error {
        Error::Protocol(error) => of_protocol(error),
        Error::Io(problem) => match problem.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ending::Reset,
            io::ErrorKind::UnexpectedEof => Ending::Closed,
            _ => Ending::Fault(problem.to_string()),
        },
        other => Ending::Fault(other.to_string()),
    }
}

fn of_protocol(error: &proto::Error) -> Ending {
    match error {
        proto::Error::Closed => Ending::Closed,
        proto::Error::Silent => Ending::Silent,
        proto::Error::Ended => Ending::Ours,
        proto::Error::Disconnected {
            reason,
            description,
        } => Ending::Goodbye((*reason, description.clone())),
        proto::Error::NoCommon(none) => {
            Ending::NoCommon((none.what.to_owned(), none.theirs.clone()))
        }
        proto::Error::Fault(
            fault @ (PeerFault::BadIdent(_)
            | PeerFault::WrongVersion(_)
            | PeerFault::TooMuchPreamble),
        ) => Ending::BadIdent(fault.to_string()),
        other => Ending::Fault(other.to_string()),
    }
}
