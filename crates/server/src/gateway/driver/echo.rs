//! An echo in the chat's place, for conformance suites: everything else is the gateway as it is, from the upgrade to the
//! flusher. For tests only.
//!
//! Everybody is let in and told nothing. Binary messages come back like texts, up to 16 MiB in however many fragments,
//! and what is compressed is compressed for each connection by the window that its peer asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cossistant_protocol::{OrganizationId, PersonId, Timestamp, UserType};

use super::Driver;
use crate::auth::{CredentialKind, PrincipalFields};
use crate::config::DEMO_ORGANIZATION;
use crate::gateway::deflate::{DeflateParams, Deflater};
use crate::gateway::frame::{BinaryMessages, DecoderConfig, Opcode, compressed_frame, encode_frame};
use crate::gateway::shard::{Arrival, Credential, Done, LoggedIn, Shard};
use crate::hub::ConnRef;
use crate::store::Websites;

const MAX_MESSAGE_BYTES: u32 = 16 * 1024 * 1024;
/// The suites cut messages of a few hundred KiB into single bytes.
const MAX_FRAGMENTS: u32 = u32::MAX;

static IS_ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// What compresses for each connection of this shard that takes it, by its serial number.
    static DEFLATERS: RefCell<HashMap<u64, Deflater>> = RefCell::default();
}

/// Has every node of this process echo from now on.
pub fn echo_from_now_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

pub(super) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// What a decoder takes where there is an echo.
pub(super) fn decoder(config: DecoderConfig) -> DecoderConfig {
    if !is_on() {
        return config;
    }
    DecoderConfig {
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_fragments: MAX_FRAGMENTS,
        binary: BinaryMessages::Accept,
        ..config
    }
}

/// Takes a new connection; where there is an echo it is let in as one of the demo's team, without a word.
pub(super) fn open(shard: &mut Shard, arrival: Arrival, deflate: Option<&DeflateParams>, now: Timestamp) -> ConnRef {
    if !is_on() {
        return shard.open(arrival, now);
    }
    let at = shard.open(Arrival { credential: Some(Credential::PublicKey(String::new())), ..arrival }, now);
    // Its key is not looked at.
    drop(shard.take_outputs());
    let principal = PrincipalFields {
        organization: OrganizationId::new(DEMO_ORGANIZATION).expect("an id"),
        kind: UserType::User,
        id: PersonId::new("echo").expect("an id"),
        websites: Websites::All,
        is_admin: false,
        name: None,
        email: None,
        avatar_url: None,
        expires_at: None,
        issued_at: None,
        credential: CredentialKind::Own,
    };
    let logged_in = LoggedIn { principal: principal.into(), visitor_token: None };
    shard.handle_done(at, Done::LoggedIn(Ok(Box::new(logged_in))), now);
    if let Some(conn) = shard.hub_mut().conn_mut(at.index) {
        conn.outbox.clear();
    }
    let deflater = deflate.and_then(|params| Deflater::with_window_bits(params.server_window_bits()));
    DEFLATERS.with_borrow_mut(|deflaters| deflaters.extend(deflater.map(|deflater| (at.serial, deflater))));
    at
}

pub(super) fn forget(at: ConnRef) {
    DEFLATERS.with_borrow_mut(|deflaters| deflaters.remove(&at.serial));
}

impl Driver {
    /// Sends back what came; `false` where there is no echo.
    pub(super) fn echo(self: &Rc<Self>, at: ConnRef, opcode: Opcode, payload: &[u8]) -> bool {
        if !is_on() {
            return false;
        }
        let frame: Bytes = DEFLATERS.with_borrow_mut(|deflaters| match deflaters.get_mut(&at.serial) {
            Some(deflater) => compressed_frame(opcode, payload, deflater),
            None => {
                let mut frame = Vec::with_capacity(payload.len() + 10);
                encode_frame(opcode, payload, &mut frame);
                frame.into()
            }
        });
        self.apply(|shard, _| shard.hub_mut().push_durable(at.index, frame.into()));
        true
    }
}
