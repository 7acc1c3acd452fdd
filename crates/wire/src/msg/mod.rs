//! The messages: one struct each, and enums that decode by number.
//!
//! | numbers | module | RFC |
//! |---|---|---|
//! | 1-29, 192-193 | [`transport`] | 4253 section 12, 8308, OpenSSH PROTOCOL |
//! | 30-49 | [`kex`] | 4253 section 8, 4419, 5656 section 4 |
//! | 50-79 | [`auth`] | 4252, 4256, OpenSSH PROTOCOL |
//! | 80-127 | [`connection`] | 4254 |
//!
//! `X::decode(payload)` takes a packet's whole payload, number included, and
//! leaves nothing over. [`crate::Encode::encode`] writes the number too.

pub mod auth;
pub mod connection;
pub mod kex;
pub mod modes;
pub mod transport;

use transport as t;

/// A message number's name, for logs. Numbers 30-49 and 60-79 mean different
/// messages under different methods; there the enums' own `name()` says more.
pub const fn message_name(number: u8) -> &'static str {
    match number {
        t::Disconnect::NUMBER => t::Disconnect::NAME,
        t::Ignore::NUMBER => t::Ignore::NAME,
        t::Unimplemented::NUMBER => t::Unimplemented::NAME,
        t::Debug::NUMBER => t::Debug::NAME,
        t::ServiceRequest::NUMBER => t::ServiceRequest::NAME,
        t::ServiceAccept::NUMBER => t::ServiceAccept::NAME,
        t::ExtInfo::NUMBER => t::ExtInfo::NAME,
        t::NewCompress::NUMBER => t::NewCompress::NAME,
        t::KexInit::NUMBER => t::KexInit::NAME,
        t::NewKeys::NUMBER => t::NewKeys::NAME,
        30 => "SSH_MSG_KEX_30",
        31 => "SSH_MSG_KEX_31",
        32 => "SSH_MSG_KEX_32",
        33 => "SSH_MSG_KEX_33",
        34 => "SSH_MSG_KEX_34",
        35..=49 => "SSH_MSG_KEX_35_TO_49",
        auth::Request::NUMBER => auth::Request::NAME,
        auth::Failure::NUMBER => auth::Failure::NAME,
        auth::Success::NUMBER => auth::Success::NAME,
        auth::Banner::NUMBER => auth::Banner::NAME,
        60 => "SSH_MSG_USERAUTH_60",
        61 => "SSH_MSG_USERAUTH_61",
        62..=79 => "SSH_MSG_USERAUTH_62_TO_79",
        connection::GlobalRequest::NUMBER => connection::GlobalRequest::NAME,
        connection::RequestSuccess::NUMBER => connection::RequestSuccess::NAME,
        connection::RequestFailure::NUMBER => connection::RequestFailure::NAME,
        connection::ChannelOpen::NUMBER => connection::ChannelOpen::NAME,
        connection::OpenConfirmation::NUMBER => connection::OpenConfirmation::NAME,
        connection::OpenFailure::NUMBER => connection::OpenFailure::NAME,
        connection::WindowAdjust::NUMBER => connection::WindowAdjust::NAME,
        connection::Data::NUMBER => connection::Data::NAME,
        connection::ExtendedData::NUMBER => connection::ExtendedData::NAME,
        connection::Eof::NUMBER => connection::Eof::NAME,
        connection::Close::NUMBER => connection::Close::NAME,
        connection::ChannelRequest::NUMBER => connection::ChannelRequest::NAME,
        connection::ChannelSuccess::NUMBER => connection::ChannelSuccess::NAME,
        connection::ChannelFailure::NUMBER => connection::ChannelFailure::NAME,
        t::Ping::NUMBER => t::Ping::NAME,
        t::Pong::NUMBER => t::Pong::NAME,
        _ => "unassigned message",
    }
}
