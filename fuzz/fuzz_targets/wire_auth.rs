//! Payloads of user authentication, under each method; what a signature covers
//! is the request in front of it.
#![no_main]

use carrick_fuzz::check_message;
use carrick_wire::msg::auth::{
    AuthMsg, KeyboardInteractiveMsg, MethodBody, PasswordMsg, PublicKeyMsg, Request,
};
use libfuzzer_sys::fuzz_target;

const SESSION_ID: &[u8] = b"session identifier";

fuzz_target!(|payload: &[u8]| {
    check_message!(AuthMsg, payload);
    check_message!(PublicKeyMsg, payload);
    check_message!(PasswordMsg, payload);
    check_message!(KeyboardInteractiveMsg, payload);
    let Ok(AuthMsg::Request(request)) = AuthMsg::decode(payload) else {
        return;
    };
    let signature = match request.method {
        MethodBody::PublicKey { signature, .. }
        | MethodBody::PublicKeyHostBound { signature, .. } => signature,
        MethodBody::HostBased { signature, .. } => Some(signature),
        _ => return assert_eq!(request.signed_data(SESSION_ID), None),
    };
    let signed = request.signed_data(SESSION_ID).expect("this method signs");
    let made = Request::signed_payload(&signed, SESSION_ID.len(), signature.unwrap_or(b"sig"))
        .expect("longer than the session identifier");
    match AuthMsg::decode(&made) {
        Ok(AuthMsg::Request(again)) if signature.is_some() => assert_eq!(again, request),
        Ok(AuthMsg::Request(again)) => {
            assert_eq!(again.signed_data(SESSION_ID), Some(signed.clone()));
        }
        other => panic!("{other:?}"),
    }
});
